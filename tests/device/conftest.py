"""Makes this directory's helper module importable (pytest imports test files by path)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
