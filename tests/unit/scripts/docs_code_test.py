#!/usr/bin/python3
"""Every line of code in docs/tasks.md stands in one of the examples, which every build compiles."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
lines = {line.strip() for name in ("task_options.cpp", "call_options.cpp")
         for line in (root / "examples" / name).read_text(encoding="utf-8").splitlines()}
text = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
missing = [line for block in blocks for line in block.splitlines() if line.strip() and line.strip() not in lines]
for line in missing:
    print("in docs/tasks.md and in no example:", line)
print(len(blocks), "blocks of code")
sys.exit(1 if missing or not blocks else 0)
