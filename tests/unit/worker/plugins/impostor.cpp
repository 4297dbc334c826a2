// A shared library whose symbol happens to have our name.
extern "C" {
extern const char baozi_plugin[256];
const char baozi_plugin[256] = "something else";
}
