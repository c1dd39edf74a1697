"""From a clean clone through `invent setup` in Spanish to the first right answer about 20 unseen articles.

`python -m tests.bench.setup [--here]` clones, installs and types as a person does; `--here` measures this checkout
without cloning and installing. No model. One JSON line.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.live import report
from tests.support.person import Person

ROOT = Path(__file__).resolve().parent.parent.parent
ARTICLES = ROOT / "tests" / "bench" / "sets" / "setup_company"
SECONDS, TYPED = 300, 12
OWN = ("¿cuánto vale la entrega en el hotel?", "9 € por trayecto", "Entrega en hoteles")
"""A question in words of one's own, what the answer holds, and the page that it comes from."""


def install(folder: Path) -> Path:
    """The README's first command but for its last word; the interpreter."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", "-c", "requirements.lock", "-e", "."]
    subprocess.run(command, check=True, cwd=folder / "clone", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return python


def walk(python: Path, data: Path) -> tuple[int, float, float, bool]:
    """Go through the setup: answers typed, seconds to the first right answer, seconds in all, right throughout."""
    began = time.monotonic()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("INVENT_", "LC_"))}
    environ = {**kept, "INVENT_DATA_DIR": str(data), "LANG": "es_ES.UTF-8", "OLLAMA_HOST": "http://127.0.0.1:9"}
    with Person([str(python), "-m", "invent_server.cli.main", "setup"], environ) as person:
        person.sees("[es] ›")
        person.enters()
        person.sees("¿Cómo se llama tu empresa")
        person.enters("Pedal Norte")
        person.sees("zona horaria trabajáis")
        person.enters("Madrid")
        person.sees("¿Cuándo hay alguien")
        person.enters("lu-vi 9-14 16-19:30, sa 10-14")
        person.sees("[1] ›")
        person.enters()
        person.sees("tus primeros artículos")
        person.enters(str(ARTICLES))
        person.sees("20 archivos leídos", 60)
        person.sees("¿Qué preguntaría un cliente?")
        question, holds, title = OWN
        person.sees("›")
        person.enters(question)
        person.sees(f"✓ {question}")
        person.sees(holds)
        person.sees(f"Fuente: {title}")
        answered = time.monotonic() - began
        person.sees("›")
        person.enters()
        person.sees("se han respondido con la página")
        all_right = "5 de 5 se han respondido" in person.shown
        person.sees("¿En qué página web")
        person.enters("https://pedalnorte.example")
        person.sees("/chat/web")
        person.sees("¿Quién trabaja contigo?")
        person.enters("marta")
        person.sees("El token")
        person.sees("clave ssh pública")
        person.enters()
        code = person.ends()
    assert code == 0, person.shown[-2000:]
    return person.typed, answered, time.monotonic() - began, all_right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--here", action="store_true", help="without cloning and installing")
    here = parser.parse_args().here
    with tempfile.TemporaryDirectory(prefix="invent-setup-") as name:
        folder = Path(name)
        began = time.monotonic()
        python = Path(sys.executable) if here else install(folder)
        installed = time.monotonic() - began
        typed, answered, walked, right = walk(python, folder / "data")
    report(
        bench="setup",
        install_s=None if here else round(installed, 1),
        first_right_answer_s=round(answered, 1),
        setup_s=round(walked, 1),
        total_s=round(installed + answered, 1),
        total_floor=SECONDS,
        typed=typed,
        typed_floor=TYPED,
        five_right=right,
        ok=installed + answered <= SECONDS and typed <= TYPED,
    )


if __name__ == "__main__":
    main()
