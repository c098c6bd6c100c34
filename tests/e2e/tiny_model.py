"""Write a tiny model of random weights; run with the server's own Python, which has what that takes.

usage: tiny_model.py PATH
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from home_llm.llama import Model
from home_llm.models import embedded_model
from tiny_models import write_tiny_model

path = Path(sys.argv[1])
write_tiny_model(path, "full", Model(embedded_model(path.parent)))
