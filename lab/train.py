"""Train a model on the data of the lab: python lab/train.py --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from home_llm_lab.training.run import main

if __name__ == "__main__":
    sys.exit(main())
