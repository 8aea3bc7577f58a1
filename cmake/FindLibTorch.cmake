# Finds LibTorch's headers and the two libraries that we link, c10 and torch_cpu. LibTorch's own CMake package
# demands the whole CUDA toolkit at configure time when LibTorch has CUDA; these two libraries never need it.
if(NOT LIBTORCH)
  set(LIBTORCH "$ENV{LIBTORCH}")
endif()
if(NOT LIBTORCH)
  message(FATAL_ERROR "LibTorch's folder is not known. Run `npm run setup`, which finds or installs it, "
    "or pass -DLIBTORCH=<folder that holds include/ and lib/>.")
endif()

find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATHS "${LIBTORCH}/include" NO_DEFAULT_PATH)
find_library(LibTorch_C10 c10 PATHS "${LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CPU torch_cpu PATHS "${LIBTORCH}/lib" NO_DEFAULT_PATH)
# Only where LibTorch was built with CUDA: its CUDA libraries, and CUDA's headers from a toolkit; what that lacks (one with
# the compiler alone has no cuBLAS) from NVIDIA's Python packages beside LibTorch (which lack crt/). Where headers are
# missing or of another CUDA, LibTorch::CUDA is not defined and LibTorch_CUDA_PROBLEM says why.
find_library(LibTorch_CUDA torch_cuda PATHS "${LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA c10_cuda PATHS "${LIBTORCH}/lib" NO_DEFAULT_PATH)
if(LibTorch_CUDA AND LibTorch_C10_CUDA)
  # "13" of the libcudart.so.13 that LibTorch asks for.
  file(STRINGS "${LibTorch_C10_CUDA}" asks_for REGEX "^libcudart\\.so\\.[0-9]+$" LIMIT_COUNT 1)
  string(REGEX MATCH "[0-9]+$" LibTorch_CUDA_MAJOR "${asks_for}")

  file(GLOB packages "${LIBTORCH}/../nvidia/cu*/include" "${LIBTORCH}/../nvidia/*/include")
  set(LibTorch_CUDA_INCLUDE_DIRS)
  foreach(header cuda_runtime_api.h crt/host_config.h cublas_v2.h cusparse.h cusolverDn.h)
    find_path(LibTorch_${header} ${header}
      HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda /opt/cuda ${packages} PATH_SUFFIXES include)
    if(NOT LibTorch_${header})
      set(LibTorch_CUDA_PROBLEM "CUDA's header ${header} was not found")
    endif()
    list(APPEND LibTorch_CUDA_INCLUDE_DIRS "${LibTorch_${header}}")
  endforeach()
  list(APPEND LibTorch_CUDA_INCLUDE_DIRS ${packages})
  list(REMOVE_DUPLICATES LibTorch_CUDA_INCLUDE_DIRS)
  if(LibTorch_cuda_runtime_api.h)
    file(STRINGS "${LibTorch_cuda_runtime_api.h}/cuda_runtime_api.h" version REGEX "#define CUDART_VERSION +[0-9]+")
    string(REGEX MATCH "([0-9]+)[0-9][0-9][0-9]$" version "${version}")
    if(LibTorch_CUDA_MAJOR AND NOT CMAKE_MATCH_1 STREQUAL LibTorch_CUDA_MAJOR)
      set(LibTorch_CUDA_PROBLEM
        "the headers in ${LibTorch_cuda_runtime_api.h} are of CUDA ${CMAKE_MATCH_1}, LibTorch of CUDA ${LibTorch_CUDA_MAJOR}")
    endif()
  endif()

  find_program(LibTorch_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_C10 LibTorch_CPU
  REASON_FAILURE_MESSAGE "looked in ${LIBTORCH}")

if(NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1"
    INTERFACE_LINK_LIBRARIES "${LibTorch_C10};${LibTorch_CPU}"
    # libtorch_cpu needs libcudart and friends when it was built with CUDA; they are found at run time.
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined")
endif()

if(LibTorch_CUDA AND LibTorch_C10_CUDA AND NOT LibTorch_CUDA_PROBLEM AND NOT TARGET LibTorch::CUDA)
  add_library(LibTorch::CUDA INTERFACE IMPORTED)
  set_target_properties(LibTorch::CUDA PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_CUDA_INCLUDE_DIRS}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${LibTorch_CUDA_INCLUDE_DIRS}"
    INTERFACE_LINK_LIBRARIES "LibTorch::LibTorch;${LibTorch_C10_CUDA};${LibTorch_CUDA}")
endif()
