//===- Version.cpp - the version of the runtime ---------------------------===//

extern "C" const char transom_runtime_version[] = "0.1.0";
