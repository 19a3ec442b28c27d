# LibTorch 2.11.0 as it comes in the PyPI wheel: imported targets written by hand, because find_package(Torch) demands a
# full CUDA toolkit even of a program that never touches a GPU.
#
#   torchlap::torch_cpu   libtorch_cpu and libc10, with their headers; nothing of CUDA is linked
#   torchlap::torch_cuda  for what is opened at run time by CUDA jobs: libtorch_cuda and libc10_cuda too, and CUDA's headers
#
# Reads TORCHLAP_TORCH_DIR. The CUDA runtime that libtorch_cpu needs lies in ../nvidia/cu13/lib, as in the wheels, and its
# headers in ../nvidia/cu13/include; those that the wheel nvidia-cuda-crt adds to them, in TORCHLAP_CUDA_CRT_DIR.
include_guard(GLOBAL)

set(TORCHLAP_TORCH_VERSION 2.11.0)
set(version_header ${TORCHLAP_TORCH_DIR}/include/torch/headeronly/version.h)
set(found_version "")
if(EXISTS ${version_header})
  file(READ ${version_header} version_text)
  if(version_text MATCHES "#define TORCH_VERSION \\\\?[ \t\r\n]*\"([0-9.]+)")
    set(found_version ${CMAKE_MATCH_1})
  endif()
endif()
if(NOT found_version STREQUAL TORCHLAP_TORCH_VERSION)
  if(found_version)
    set(found "has torch ${found_version}")
  else()
    set(found "has no torch")
  endif()
  message(FATAL_ERROR
    "TORCHLAP_TORCH_DIR is ${TORCHLAP_TORCH_DIR}, which ${found}; torchlap-worker needs torch ${TORCHLAP_TORCH_VERSION}. "
    "Run deploy/quickstart.sh, which fetches it, or set -DTORCHLAP_TORCH_DIR=<folder with include/ and lib/>, "
    "or build without the worker: -DTORCHLAP_WITH_WORKER=OFF.")
endif()

get_filename_component(TORCHLAP_CUDA_LIB_DIR ${TORCHLAP_TORCH_DIR}/../nvidia/cu13/lib ABSOLUTE)
# Where a program finds the libraries when it runs.
set(TORCHLAP_TORCH_RPATH ${TORCHLAP_TORCH_DIR}/lib ${TORCHLAP_CUDA_LIB_DIR})

add_library(torchlap_libc10 SHARED IMPORTED)
set_target_properties(torchlap_libc10 PROPERTIES IMPORTED_LOCATION ${TORCHLAP_TORCH_DIR}/lib/libc10.so)

add_library(torchlap_libtorch_cpu SHARED IMPORTED)
set_target_properties(torchlap_libtorch_cpu PROPERTIES
  IMPORTED_LOCATION ${TORCHLAP_TORCH_DIR}/lib/libtorch_cpu.so)

add_library(torchlap_torch_cpu INTERFACE)
add_library(torchlap::torch_cpu ALIAS torchlap_torch_cpu)
# -idirafter and not -isystem: a wheel that was unpacked whole holds an old protobuf and a newer fmt in the same folder,
# and the system's must be found first. The folder still counts as a system one.
target_compile_options(torchlap_torch_cpu INTERFACE "SHELL:-idirafter ${TORCHLAP_TORCH_DIR}/include")
target_link_libraries(torchlap_torch_cpu INTERFACE torchlap_libtorch_cpu torchlap_libc10 ${CMAKE_DL_LIBS})
# libtorch_cpu registers its operators in static constructors: it must stay linked even where nothing names it.
target_link_options(torchlap_torch_cpu INTERFACE
  "LINKER:--no-as-needed" "LINKER:-rpath-link,${TORCHLAP_CUDA_LIB_DIR}")

if(DEFINED ENV{TORCHLAP_CACHE})
  set(cache_dir $ENV{TORCHLAP_CACHE})
else()
  set(cache_dir $ENV{HOME}/.cache/torchlap)
endif()
set(TORCHLAP_CUDA_CRT_DIR ${cache_dir}/cuda-crt-13.0.88/nvidia/cu13/include CACHE PATH
    "The folder with crt/host_defines.h of CUDA 13.0 (the wheel nvidia-cuda-crt, unpacked)")
get_filename_component(cuda_include_dir ${TORCHLAP_TORCH_DIR}/../nvidia/cu13/include ABSOLUTE)
if(NOT EXISTS ${cuda_include_dir}/cuda_runtime_api.h)
  message(FATAL_ERROR "CUDA's headers are not there: ${cuda_include_dir}/cuda_runtime_api.h. Run deploy/quickstart.sh, "
    "which fetches them, or unpack the wheel nvidia-cuda-runtime 13.0 beside torch.")
endif()
if(NOT EXISTS ${TORCHLAP_CUDA_CRT_DIR}/crt/host_defines.h)
  message(FATAL_ERROR "CUDA's headers are not complete: ${TORCHLAP_CUDA_CRT_DIR}/crt/host_defines.h is not there. Run "
    "deploy/fetch_libtorch.sh, which fetches it, or set -DTORCHLAP_CUDA_CRT_DIR=<folder with crt/ of CUDA 13.0>.")
endif()

foreach(name c10_cuda torch_cuda)
  add_library(torchlap_lib${name} SHARED IMPORTED)
  set_target_properties(torchlap_lib${name} PROPERTIES IMPORTED_LOCATION ${TORCHLAP_TORCH_DIR}/lib/lib${name}.so)
endforeach()

add_library(torchlap_torch_cuda INTERFACE)
add_library(torchlap::torch_cuda ALIAS torchlap_torch_cuda)
# Before the system's folders, where another CUDA may be installed.
target_include_directories(torchlap_torch_cuda SYSTEM INTERFACE ${cuda_include_dir} ${TORCHLAP_CUDA_CRT_DIR})
target_link_libraries(torchlap_torch_cuda INTERFACE
  torchlap::torch_cpu torchlap_libtorch_cuda torchlap_libc10_cuda)
# Ours must be complete; of LibTorch's libraries nobody asks here what they need (cuBLAS, cuDNN, ...).
target_link_options(torchlap_torch_cuda INTERFACE "LINKER:-z,defs" "LINKER:--allow-shlib-undefined")
