# transom_add_reference(NAME FILE.td -gen-x-doc [args...])
# Writes docs/reference/NAME.md from a .td file: `ninja docs` puts it into the
# source tree, and the test docs-NAME compares the two. Descriptions of passes
# have examples that are cut from lit tests.
function(transom_add_reference name td)
  set(generated "${PROJECT_BINARY_DIR}/docs/reference/${name}.md")
  set(committed "${PROJECT_SOURCE_DIR}/docs/reference/${name}.md")
  if("-gen-pass-doc" IN_LIST ARGN)
    set(script "${PROJECT_SOURCE_DIR}/docs/expand_examples.py")
    set(expand "${TRANSOM_PYTHON}" "${script}" "${generated}")
    file(GLOB_RECURSE examples CONFIGURE_DEPENDS
         "${PROJECT_SOURCE_DIR}/test/*.mlir")
    list(APPEND examples "${script}")
  endif()
  add_custom_command(OUTPUT "${generated}"
    COMMAND mlir-tblgen ${ARGN} -I "${PROJECT_SOURCE_DIR}"
            -I "${MLIR_INCLUDE_DIRS}" "${td}" -o "${generated}"
            -d "${generated}.d"
    COMMAND ${expand}
    DEPFILE "${generated}.d" DEPENDS "${td}" ${examples} VERBATIM)
  add_custom_target(docs-${name} ALL DEPENDS "${generated}")
  add_custom_target(docs-${name}-commit
    COMMAND ${CMAKE_COMMAND} -E copy_if_different "${generated}" "${committed}"
    DEPENDS "${generated}" VERBATIM)
  add_dependencies(docs docs-${name}-commit)
  if(TRANSOM_BUILD_TESTS)
    add_test(NAME docs-${name} COMMAND ${CMAKE_COMMAND} -E compare_files
             "${generated}" "${committed}")
    set_tests_properties(docs-${name} PROPERTIES LABELS "docs")
  endif()
endfunction()
