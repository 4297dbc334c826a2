// A shared library that has nothing to do with baozi.
extern "C" int answer() { return 42; }
