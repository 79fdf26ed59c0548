# Halide from the Python wheel: the target Halide::Halide, and its header
# precompiled. Only codegen/kernels/ and its tests may link it.
execute_process(
  COMMAND "${TRANSOM_PYTHON}" -c "import importlib.util as u, os; \
print(os.path.dirname(u.find_spec('halide').origin), end='')"
  OUTPUT_VARIABLE halide_dir RESULT_VARIABLE halide_status)
if(NOT halide_status EQUAL 0)
  message(FATAL_ERROR
    "No Halide for ${TRANSOM_PYTHON}. Run scripts/setup.sh first.")
endif()
# Worktrees share one .venv through a link: name the real place.
file(REAL_PATH "${halide_dir}" TRANSOM_HALIDE_DIR)

file(READ "${TRANSOM_HALIDE_DIR}/include/HalideRuntime.h" halide_version)
if(NOT halide_version MATCHES "HALIDE_VERSION_MAJOR 21")
  message(FATAL_ERROR "Transom needs Halide 21, got another one in "
                      "${TRANSOM_HALIDE_DIR}")
endif()

set(halide_definitions HALIDE_WITH_EXCEPTIONS HALIDE_ENABLE_RTTI)
add_library(Halide::Halide SHARED IMPORTED GLOBAL)
set_target_properties(Halide::Halide PROPERTIES
  IMPORTED_LOCATION "${TRANSOM_HALIDE_DIR}/lib64/libHalide.so"
  INTERFACE_COMPILE_DEFINITIONS "${halide_definitions}"
  INTERFACE_INCLUDE_DIRECTORIES "${TRANSOM_HALIDE_DIR}/include")

transom_add_pch(Halide "${CMAKE_CURRENT_LIST_DIR}/precompiled/Halide.h"
  INCLUDES "${TRANSOM_HALIDE_DIR}/include" ${MLIR_INCLUDE_DIRS}
           ${LLVM_INCLUDE_DIRS}
  DEFINITIONS ${halide_definitions} ${LLVM_DEFINITIONS_LIST}
  FLAGS -fexceptions
  STAMPS "${TRANSOM_HALIDE_DIR}/lib64/libHalide.so")
