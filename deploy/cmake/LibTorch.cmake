# LibTorch 2.11.0 as it comes in the PyPI wheel: imported targets written by hand, because find_package(Torch) demands a
# full CUDA toolkit even of a program that never touches a GPU.
#
#   torchlap::torch_cpu   libtorch_cpu and libc10, with their headers; nothing of CUDA is linked
#
# Reads TORCHLAP_TORCH_DIR. The CUDA runtime that libtorch_cpu needs lies in ../nvidia/cu13/lib, as in the wheels.
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
