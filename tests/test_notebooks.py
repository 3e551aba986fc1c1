"""The notebooks run from top to bottom, with long trainings shortened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples" / "notebooks").glob("*.ipynb"))
SHORTER = {"steps = 2_000": "steps = 20", "seeds=2": "seeds=1"}
EXPECTED = {
    "open_a_modified_file": "largest change: 63 of 255 grey levels; ε allows 63.8",
    "score_your_vae": "| BetaVAE |",
}


def _code(path: Path) -> str:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"]), "notebooks must be committed without outputs"
    return "\n".join(cells)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if "score" in path.stem else []) for path in NOTEBOOKS],
)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    code = _code(path)
    if path.stem == "score_your_vae":
        assert all(text in code for text in SHORTER)
        for text, shorter in SHORTER.items():
            code = code.replace(text, shorter)
    environment = os.environ | {"MPLBACKEND": "agg", "PERTURB_CACHE": str(tmp_path), "PYTHONUTF8": "1"}
    command = [sys.executable, "-W", "ignore:FigureCanvasAgg is non-interactive", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert EXPECTED[path.stem] in done.stdout
