#include "client/cli/cli.hpp"

int main(int argc, char** argv) { return baozi::cli::run(argc, argv); }
