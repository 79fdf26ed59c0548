# Precompiled headers, shared by every build tree of this machine.
#
# CMake's own target_precompile_headers puts the header into the build tree, and
# clang writes that absolute path into it: no two worktrees could share it, or
# through ccache anything compiled with it. Ours stand under a directory named
# by the hash of all that goes into them, so a second worktree finds the header
# compiled and its objects in ccache.

set(TRANSOM_CACHE_DIR "$ENV{TRANSOM_CACHE_DIR}")
if(NOT TRANSOM_CACHE_DIR AND DEFINED ENV{XDG_CACHE_HOME})
  set(TRANSOM_CACHE_DIR "$ENV{XDG_CACHE_HOME}/transom")
elseif(NOT TRANSOM_CACHE_DIR)
  set(TRANSOM_CACHE_DIR "$ENV{HOME}/.cache/transom")
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" _transom_type)
separate_arguments(_transom_flags NATIVE_COMMAND
  "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${_transom_type}}")

# transom_add_pch(NAME HEADER [INCLUDES dir...] [DEFINITIONS x...]
#                 [FLAGS flag...] [STAMPS file...])
# A STAMP is a file whose change of time says that the packages behind the
# header were replaced.
function(transom_add_pch name header)
  cmake_parse_arguments(PARSE_ARGV 2 ARG "" ""
                        "INCLUDES;DEFINITIONS;FLAGS;STAMPS")
  set(flags ${_transom_flags} -std=c++${CMAKE_CXX_STANDARD})
  foreach(flag IN LISTS TRANSOM_COMPILE_FLAGS ARG_FLAGS)
    if(NOT flag MATCHES "-prefix-map=")
      list(APPEND flags ${flag})
    endif()
  endforeach()
  list(TRANSFORM ARG_DEFINITIONS PREPEND "-D")
  foreach(dir IN LISTS ARG_INCLUDES)
    list(APPEND flags -isystem "${dir}")
  endforeach()
  list(APPEND flags ${ARG_DEFINITIONS})

  file(READ "${header}" text)
  set(key "${text};${flags};${CMAKE_CXX_COMPILER_VERSION}")
  foreach(stamp IN LISTS ARG_STAMPS CMAKE_CXX_COMPILER)
    file(REAL_PATH "${stamp}" stamp)
    file(TIMESTAMP "${stamp}" time UTC)
    string(APPEND key ";${stamp}=${time}")
  endforeach()
  string(SHA256 key "${key}")
  string(SUBSTRING "${key}" 0 16 key)
  set(dir "${TRANSOM_CACHE_DIR}/pch/${key}")
  set(source "${dir}/${name}.h")
  set(pch "${source}.pch")
  if(NOT EXISTS "${source}")
    file(WRITE "${source}" "${text}")
  endif()
  add_custom_command(OUTPUT "${pch}"
    COMMAND test -s "${pch}" || "${CMAKE_CXX_COMPILER}" ${flags} -w
            -Xclang -fno-pch-timestamp -x c++-header "${source}" -o "${pch}"
    COMMENT "Precompiling ${name}.h"
    VERBATIM)
  add_custom_target(TransomPch${name} DEPENDS "${pch}")
  set_property(GLOBAL PROPERTY TRANSOM_PCH_${name} "${pch}")
endfunction()

function(transom_use_pch target name)
  get_property(pch GLOBAL PROPERTY TRANSOM_PCH_${name})
  if(NOT pch)
    message(FATAL_ERROR "no precompiled header '${name}'")
  endif()
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include-pch ${pch}>")
  add_dependencies(${target} TransomPch${name})
endfunction()

set(_transom_headers "${CMAKE_CURRENT_LIST_DIR}/precompiled")
set(_transom_mlir "${_transom_headers}/MLIR.h"
  INCLUDES ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS}
  DEFINITIONS ${LLVM_DEFINITIONS_LIST}
  STAMPS "${LLVM_LIBRARY_DIR}/libMLIR.so" "${LLVM_LIBRARY_DIR}/libLLVM.so"
  FLAGS -fno-exceptions)
transom_add_pch(MLIR ${_transom_mlir})
transom_add_pch(MLIRAsan ${_transom_mlir}
  ${TRANSOM_TEST_FLAGS} -fsanitize=address,undefined)
