#include "server/measure/environment_in_force.h"

#include "server/measure/identity.h"

namespace torchlap::measure {

v1::Environment EnvironmentInForce(const v1::Environment& newest, const v1::Environment& told) {
  v1::Environment of_worker;
  of_worker.set_torchlap_version(newest.torchlap_version());
  of_worker.set_torch_version(newest.torch_version());
  of_worker.set_cuda_version(newest.cuda_version());
  of_worker.set_threads(newest.threads());
  of_worker.set_cpu_capability(newest.cpu_capability());
  *of_worker.mutable_variables() = newest.variables();
  of_worker.MergeFrom(told);
  of_worker.set_environment_hash(EnvironmentHash(of_worker));
  return of_worker;
}

}  // namespace torchlap::measure
