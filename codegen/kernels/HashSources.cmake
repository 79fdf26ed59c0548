# cmake -DSOURCES=FILE;... -DOUTPUT=FILE -P HashSources.cmake
# A hash of source files as a C++ string literal.
set(hashes "")
foreach(source IN LISTS SOURCES)
  file(SHA256 "${source}" hash)
  string(APPEND hashes "${hash}")
endforeach()
string(SHA256 hash "${hashes}")
file(WRITE "${OUTPUT}" "\"${hash}\"\n")
