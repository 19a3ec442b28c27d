// Linked into tests that use gRPC under TSan. Debian's gRPC is not instrumented: TSan does not see
// the order that its atomics make, and reports what gRPC and the libraries below it do, also in
// code of gRPC's headers. A report is left out where one of the two stacks holds a frame of them.
// So races of our own threads are seen, while of a function that gRPC calls directly (a reactor's
// callback) they are not. In the program and not in a file, as a test runs itself again as another
// user.
extern "C" const char* __tsan_default_suppressions();  // NOLINT: the runtime's name

extern "C" const char* __tsan_default_suppressions() {  // NOLINT: the runtime's name
  return "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "race:libabsl_\n"
         "race:libprotobuf.so\n"
         "race:libupb.so\n"
         "race:^grpc::internal::\n"
         // Asks the kernel of a number that may be another descriptor's by now, and tells by the
         // inode.
         "race:torchlap::rpc::OpenConnections::Open::IsStill\n"
         // glibc frees what it keeps for a thread that has ended.
         "race:_dl_deallocate_tls\n";
}
