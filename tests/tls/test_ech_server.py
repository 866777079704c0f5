"""A server that is not ours decrypts our encrypted hellos: Go's, which speaks ECH since 1.24; it tells which name it was asked for."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from dpiprobe.tls.recipe import Recipe
from dpiprobe.tls.vary.esni_ech import EXAMPLE_CONFIG
from tests.tls.recorded.servers import write_certificate

SERVER = """package main

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"os"
)

func main() {
	pair, err := tls.LoadX509KeyPair(os.Args[1], os.Args[1])
	if err != nil {
		panic(err)
	}
	config, _ := hex.DecodeString(os.Args[2])
	key, _ := hex.DecodeString(os.Args[3])
	settings := &tls.Config{
		EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key}},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			fmt.Println(hello.ServerName)
			return &pair, nil
		},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		tls.Server(connection, settings).Handshake()
		connection.Close()
	}
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Its port, and the process that prints the names."""
    go = shutil.which("go")
    told = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout if go else ""
    version = re.search(r"go1\.(\d+)", told)
    if go is None or version is None or int(version[1]) < 24:
        pytest.skip("there is no Go of 1.24 or later, which speaks ECH")
    folder = tmp_path_factory.mktemp("ech")
    (folder / "main.go").write_text(SERVER)
    (folder / "go.mod").write_text("module ech\n\ngo 1.24\n")
    write_certificate(Path(folder / "pair.pem"))
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    subprocess.run([go, "build", "-o", "server", "."], cwd=folder, env=environment, check=True, capture_output=True)
    config, key = bytes.fromhex(EXAMPLE_CONFIG)[2:].hex(), sha256(b"dpiprobe ech").hexdigest()
    with subprocess.Popen([str(folder / "server"), str(folder / "pair.pem"), config, key], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process
        process.kill()


@pytest.mark.parametrize("name", ["www.blocked.example", "a.io", "a-name-that-needs-more-room-than-the-others-do.blocked.example"])
@pytest.mark.parametrize("more", [[], ["record-at-midsld"], ["key-share-post-quantum"]], ids=["plain", "records", "post-quantum"])
def test_the_name_inside_is_what_the_server_is_asked_for(server: tuple[int, subprocess.Popen[str]], name: str, more: list[str]) -> None:
    port, process = server
    made = Recipe("builtin", name, [*more, "ech-config"], b"seed").make()
    assert made.hello.server_name == "public.example"
    assert name.encode() not in made.sending.stream
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(made.sending.stream)
        answer = connection.recv(6)
    assert (answer[0], answer[5]) == (22, 2)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == name
