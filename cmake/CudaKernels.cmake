# cuda_kernels(<objects> <sources…>): compiles .cu files with nvcc and sets <objects> to what comes of it; leaves it empty
# and says why where there is no nvcc that fits LibTorch.
#
# nvcc is called as it is. CMake's own CUDA language links programs before it believes in a compiler, which takes a whole
# toolkit, and stops where that fails; ours is at most left out.
#
# ISOTORCH_CUDA_ARCHITECTURES, as a CMake or an environment variable: the compute capabilities to compile for, such as 90 or
# 80,86; otherwise those that LibTorch is built for.
if(NOT ISOTORCH_CUDA_ARCHITECTURES)
  string(REPLACE "," ";" ISOTORCH_CUDA_ARCHITECTURES "$ENV{ISOTORCH_CUDA_ARCHITECTURES}")
endif()

# Sets <flags> to what makes nvcc write code for each architecture that it knows, and PTX of the last for later ones.
function(cuda_architecture_flags flags)
  set(wanted ${ISOTORCH_CUDA_ARCHITECTURES})
  if(NOT wanted)
    set(wanted 75 80 86 90 100 120)
    execute_process(COMMAND "${LibTorch_NVCC}" --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
  endif()
  foreach(architecture ${wanted})
    if(ISOTORCH_CUDA_ARCHITECTURES OR "${known}" MATCHES "sm_${architecture}(\n|$)")
      list(APPEND result "-gencode=arch=compute_${architecture},code=sm_${architecture}")
      set(last ${architecture})
    endif()
  endforeach()
  list(APPEND result "-gencode=arch=compute_${last},code=compute_${last}")
  set(${flags} ${result} PARENT_SCOPE)
endfunction()

# Sets <problem> to why nvcc can't be used, or to nothing.
function(cuda_compiler_problem problem flags)
  set(${problem} "" PARENT_SCOPE)
  if(NOT LibTorch_NVCC)
    set(${problem} "nvcc was not found on the PATH or in CUDA_HOME" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND "${LibTorch_NVCC}" --version OUTPUT_VARIABLE version ERROR_QUIET)
  if(NOT version MATCHES "release ([0-9]+)")
    set(${problem} "${LibTorch_NVCC} does not tell its version" PARENT_SCOPE)
    return()
  endif()
  if(LibTorch_CUDA_MAJOR AND NOT CMAKE_MATCH_1 STREQUAL LibTorch_CUDA_MAJOR)
    set(${problem} "${LibTorch_NVCC} is of CUDA ${CMAKE_MATCH_1}, LibTorch of CUDA ${LibTorch_CUDA_MAJOR}" PARENT_SCOPE)
    return()
  endif()
  set(trial "${CMAKE_BINARY_DIR}/cuda/trial")
  file(WRITE "${trial}.cu" "#include <cuda_runtime.h>\n#include <algorithm>\n__global__ void Trial() {}\n")
  execute_process(COMMAND "${LibTorch_NVCC}" ${flags} -c "${trial}.cu" -o "${trial}.o"
    RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    string(REGEX REPLACE "\n.*" "" output "${output}")
    set(${problem} "${LibTorch_NVCC} compiles nothing: ${output}" PARENT_SCOPE)
  endif()
endfunction()

function(cuda_kernels objects)
  set(${objects} "" PARENT_SCOPE)
  # Only small headers go through nvcc (native/cuda/kernels.h), so a newer compiler than it knows does no harm.
  set(flags -std=c++17 -O3 -ccbin "${CMAKE_CXX_COMPILER}" -allow-unsupported-compiler
    -Xcompiler=-fPIC,-fvisibility=hidden -isystem "${LibTorch_INCLUDE_DIR}")
  cuda_compiler_problem(problem "${flags}")
  if(problem)
    message(STATUS "Left out: the CUDA kernels of the IsoMax family (${problem})")
    return()
  endif()
  cuda_architecture_flags(architectures)
  file(GLOB headers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/cuda/*.h" "${CMAKE_SOURCE_DIR}/native/cuda/*.cuh")
  foreach(source ${ARGN})
    get_filename_component(name "${source}" NAME_WE)
    set(object "${CMAKE_BINARY_DIR}/cuda/${name}.o")
    add_custom_command(OUTPUT "${object}"
      COMMAND "${LibTorch_NVCC}" ${flags} ${architectures} -c "${CMAKE_SOURCE_DIR}/${source}" -o "${object}"
      DEPENDS "${CMAKE_SOURCE_DIR}/${source}" ${headers} "${CMAKE_SOURCE_DIR}/native/isomax/near.h"
      COMMENT "nvcc ${source}" VERBATIM)
    list(APPEND result "${object}")
  endforeach()
  set(${objects} ${result} PARENT_SCOPE)
endfunction()
