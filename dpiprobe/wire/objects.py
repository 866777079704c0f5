"""Object code of one compiled function: made of LLVM's text, kept in a file, loaded into a process. llvmlite alone does it; numba is not loaded.

Rules of this file:
- Only what needs nothing of anybody is kept: once nobody else may call what is inside, LLVM drops the ways that are never gone, those that would raise
  an error among them; where a name of numba's or Python's is left after that, there is no object code.
- What is in a file that was not written whole, by another version or for another processor is not loaded: a digest stands before the code, and the
  file's name depends on the rest.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

SYMBOL = "dpiprobe_loop"
"""What the function is called in its object code."""
_engines: list[Any] = []
"""They hold the code that was loaded, as long as the process lives."""


@lru_cache(maxsize=1)
def _host() -> tuple[str, str]:
    """This processor: its name, and what it can do."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


def setting() -> str:
    """What object code depends on beside what it was made of: the processor, and who makes and loads it."""
    import llvmlite

    return "\n".join((llvmlite.__version__, *_host()))


def emit(text: str, name: str) -> bytes | None:
    """Object code of a function in LLVM's text; None where it refers to anything outside."""
    from llvmlite import binding

    module = binding.parse_assembly(text)
    function = module.get_function(name)
    for inside in (*module.functions, *module.global_variables):
        if not inside.is_declaration and inside.name != name:
            inside.linkage = "internal"
    machine = _machine()
    passes = binding.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=3)))
    if any(outside.is_declaration and not outside.name.startswith("llvm.") for outside in (*module.functions, *module.global_variables)):
        return None
    function.name = SYMBOL
    return bytes(machine.emit_object(module))


def load(code: bytes) -> int:
    """The address of the function in this process. RuntimeError where LLVM cannot load it."""
    from llvmlite import binding

    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = int(engine.get_function_address(SYMBOL))
    if not address:
        raise RuntimeError("the object code does not hold the function")
    _engines.append(engine)
    return address


def _machine() -> Any:
    from llvmlite import binding

    cpu, features = _host()
    return binding.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3, codemodel="jitdefault", jit=True)


def write(path: Path, code: bytes) -> None:
    """Keep object code, whole or not at all; where it cannot be kept it is made again another time."""
    with suppress(OSError):
        number, made = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(made, path)  # noqa: PTH105
        except OSError:
            os.unlink(made)  # noqa: PTH108
            raise


def read(path: Path) -> bytes | None:
    """Object code as it was kept; None where there is none, or not all of it."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    code = kept[hashlib.sha256().digest_size :]
    return code if code and hashlib.sha256(code).digest() == kept[: -len(code)] else None
