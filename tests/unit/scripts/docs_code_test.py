#!/usr/bin/python3
"""Every line of code in docs/tasks.md and docs/coroutines.md stands in one of their examples, which every build compiles."""
import pathlib
import re
import sys

PAGES = {"tasks.md": ("task_options.cpp", "call_options.cpp"), "coroutines.md": ("coroutines.cpp",)}

root = pathlib.Path(sys.argv[1])
failed = False
for page, examples in PAGES.items():
    lines = {line.strip() for name in examples
             for line in (root / "examples" / name).read_text(encoding="utf-8").splitlines()}
    text = (root / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    missing = [line for block in blocks for line in block.splitlines() if line.strip() and line.strip() not in lines]
    for line in missing:
        print(f"in docs/{page} and in no example:", line)
    print(page, len(blocks), "blocks of code")
    failed = failed or bool(missing) or not blocks
sys.exit(1 if failed else 0)
