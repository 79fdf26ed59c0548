# cmake -DINPUT=FILE -DOUTPUT=FILE -P EmbedText.cmake
# A text file as a C++ string literal.
file(READ "${INPUT}" text)
file(WRITE "${OUTPUT}" "R\"transom(${text})transom\"\n")
