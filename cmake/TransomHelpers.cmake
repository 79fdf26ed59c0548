# The few ways a target is made in this tree. Every folder lists its sources
# explicitly in its own CMakeLists.txt and calls one of:
#
#   transom_add_library(NAME a.cpp ... [DEPENDS tablegen...] [LINK_LIBS ...]
#                       [PRIVATE_LIBS ...] [PCH MLIR|Halide|NONE] [EXCEPTIONS])
#   transom_add_tool(NAME a.cpp ... [DEPENDS ...] [LINK_LIBS ...] [...])
#   transom_add_unittest(NAME a.cpp ... [LINK_LIBS ...] [LABELS ...] [...])
#   transom_add_sanitized_test(NAME SANITIZERS OF target... SOURCES a.cpp ...
#                              [LINK_LIBS ...] PCH ...)
#   transom_tablegen(FILE.td OUTPUT -gen-x [args...]) ..., then
#   add_public_tablegen_target(NAME)
#
# Libraries are static and link the shared MLIR and LLVM only: mixing in MLIR's
# component libraries would give the process two copies of MLIR.

# Flags that decide whether a precompiled header fits stay in one list, so that
# the header and every file that uses it are compiled alike.
set(TRANSOM_COMPILE_FLAGS
    -fPIC
    -frtti                            # As Debian's LLVM is built.
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=   # Nothing in an object says
    -ffile-prefix-map=${PROJECT_BINARY_DIR}/=build/) # where it was built.
set(TRANSOM_SANITIZE_FLAGS -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fno-sanitize=vptr,function)
if(TRANSOM_SANITIZE)
  list(APPEND TRANSOM_COMPILE_FLAGS -fsanitize=${TRANSOM_SANITIZE}
       ${TRANSOM_SANITIZE_FLAGS})
endif()

# Of transom_add_sanitized_test: the last flag of each kind wins.
set(TRANSOM_TEST_FLAGS -O1 -gline-tables-only -UNDEBUG
    ${TRANSOM_SANITIZE_FLAGS})

# Debian's MLIR is not instrumented, and shares containers and allocators with
# our code, which is: what one side poisons the other may use.
set(TRANSOM_ASAN_OPTIONS
    "ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0")

set(TRANSOM_WARNINGS -Wall -Wextra -Werror -Wno-unused-parameter
                     -Wno-missing-field-initializers)

separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND "${LLVM_DEFINITIONS}")
list(TRANSFORM LLVM_DEFINITIONS_LIST REPLACE "^-D" "")

include(TransomPrecompile)

function(_transom_compile_settings target)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "EXCEPTIONS" "PCH" "")
  if(ARG_EXCEPTIONS)
    set(exceptions -fexceptions)
  else()
    set(exceptions -fno-exceptions)
  endif()
  target_compile_options(${target} PRIVATE
    ${TRANSOM_COMPILE_FLAGS} ${exceptions} ${TRANSOM_WARNINGS})
  target_include_directories(${target} PUBLIC
    "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
  target_include_directories(${target} SYSTEM PUBLIC
    ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${target} PUBLIC ${LLVM_DEFINITIONS_LIST})
  if(TRANSOM_SANITIZE)
    target_link_options(${target} PUBLIC -fsanitize=${TRANSOM_SANITIZE})
  endif()
  if(NOT ARG_PCH)
    set(ARG_PCH MLIR)
  endif()
  if(TRANSOM_PCH AND NOT ARG_PCH STREQUAL "NONE")
    transom_use_pch(${target} ${ARG_PCH})
  endif()
endfunction()

macro(_transom_parse)
  cmake_parse_arguments(ARG "EXCEPTIONS" "PCH"
                        "DEPENDS;LINK_LIBS;PRIVATE_LIBS;LABELS" ${ARGN})
  set(settings)
  if(ARG_EXCEPTIONS)
    list(APPEND settings EXCEPTIONS)
  endif()
  if(ARG_PCH)
    list(APPEND settings PCH ${ARG_PCH})
  endif()
endmacro()

function(transom_add_library name)
  _transom_parse(${ARGN})
  if(NOT ARG_UNPARSED_ARGUMENTS) # A folder that has no sources yet.
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_LINK_LIBS} MLIR LLVM)
    if(ARG_DEPENDS)
      add_dependencies(${name} ${ARG_DEPENDS})
    endif()
    return()
  endif()
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  _transom_compile_settings(${name} ${settings})
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS} MLIR LLVM
                        PRIVATE ${ARG_PRIVATE_LIBS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

function(transom_add_tool name)
  _transom_parse(${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  _transom_compile_settings(${name} ${settings})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} MLIR LLVM)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# What every gtest program has, beside its sources and settings: one entry of
# ctest with the name of the target.
function(_transom_gtest name)
  target_sources(${name} PRIVATE
    "${PROJECT_SOURCE_DIR}/test/unit/support/Deadline.cpp")
  find_package(GTest REQUIRED)
  target_link_libraries(${name} PRIVATE
                        GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    LABELS "unit;${ARGN}" TIMEOUT 600 ENVIRONMENT "${TRANSOM_ASAN_OPTIONS}")
endfunction()

# A gtest program of the compiler.
function(transom_add_unittest name)
  if(NOT TRANSOM_BUILD_TESTS)
    return()
  endif()
  _transom_parse(${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  _transom_compile_settings(${name} ${settings})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} MLIR LLVM)
  _transom_gtest(${name} ${ARG_LABELS})
endfunction()

# transom_add_sanitized_test(NAME SANITIZERS OF... SOURCES test.cpp...
#                            [LINK_LIBS ...] PCH MLIRAsan|NONE)
# A gtest program in which the sources of the targets OF and the tests are
# compiled once more, with assertions and -fsanitize=SANITIZERS; LINK_LIBS stay
# as they are. So sanitizers run in every `make test`: the presets `asan` and
# `tsan` instrument all of the tree, take a build of their own, and have no need
# of these programs.
function(transom_add_sanitized_test name sanitizers)
  if(NOT TRANSOM_BUILD_TESTS OR TRANSOM_SANITIZE)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 2 ARG "" "PCH" "OF;SOURCES;LINK_LIBS")
  add_executable(${name} ${ARG_SOURCES})
  foreach(target IN LISTS ARG_OF)
    get_target_property(sources ${target} SOURCES)
    get_target_property(folder ${target} SOURCE_DIR)
    foreach(source IN LISTS sources)
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${folder}")
      target_sources(${name} PRIVATE "${source}")
    endforeach()
  endforeach()
  _transom_compile_settings(${name} PCH ${ARG_PCH})
  target_compile_options(${name} PRIVATE
    ${TRANSOM_TEST_FLAGS} -fsanitize=${sanitizers})
  target_link_options(${name} PRIVATE -fsanitize=${sanitizers})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  _transom_gtest(${name} sanitizer)
endfunction()

# mlir_tablegen with our include roots.
macro(transom_tablegen td output)
  set(LLVM_TARGET_DEFINITIONS ${td})
  mlir_tablegen(${output} ${ARGN}
    EXTRA_INCLUDES "${PROJECT_SOURCE_DIR}" "${MLIR_INCLUDE_DIRS}")
endmacro()
