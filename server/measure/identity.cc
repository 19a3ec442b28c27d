#include "server/measure/identity.h"

#include <google/protobuf/message.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "proto/words.h"

namespace torchlap::measure {
namespace {

using google::protobuf::FieldDescriptor;

constexpr uint32_t kDefaultBatch = 4;
constexpr uint32_t kDefaultContext = 256;
constexpr uint32_t kDefaultWarmup = 5;
constexpr size_t kDigestBytes = 16;

void Add(const char* name, std::string_view value, std::string* text) {
  text->append(" ").append(name).append("=").append(value);
}

void Add(const char* name, uint64_t value, std::string* text) {
  Add(name, std::to_string(value), text);
}

// Free text must not be able to look like another field.
std::string Quote(const std::string& value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

template <typename Enum>
void AddUnlessDefault(const char* name, Enum value, Enum unset, Enum normal, std::string* text) {
  if (value != unset && value != normal) Add(name, Word(value), text);
}

std::string CanonicalTransformerLm(const v1::TransformerLm& model) {
  const v1::PassType pass = model.pass_type() == v1::PASS_TYPE_UNSPECIFIED
                                ? v1::PASS_TYPE_FORWARD_BACKWARD
                                : model.pass_type();
  std::string text = "torchlap.workload.1 transformer-lm";
  Add("vocab", model.vocab_size(), &text);
  Add("d_model", model.d_model(), &text);
  Add("d_ff", model.d_ff(), &text);
  Add("layers", model.layers(), &text);
  Add("heads", model.heads(), &text);
  Add("pass", Word(pass), &text);
  Add("batch", model.has_batch_size() ? model.batch_size() : kDefaultBatch, &text);
  Add("context", model.has_context_length() ? model.context_length() : kDefaultContext, &text);
  AddUnlessDefault("precision", model.precision(), v1::PRECISION_UNSPECIFIED, v1::PRECISION_FP32,
                   &text);
  AddUnlessDefault("attention", model.attention(), v1::ATTENTION_UNSPECIFIED,
                   v1::ATTENTION_EXPLICIT, &text);
  if (pass == v1::PASS_TYPE_TRAIN_STEP) {
    AddUnlessDefault("optimizer", model.optimizer(), v1::OPTIMIZER_UNSPECIFIED,
                     v1::OPTIMIZER_COURSE, &text);
  }
  return text;
}

// The map's entries sorted by name, `variables.OMP_NUM_THREADS="1"`.
void AddMap(const v1::Environment& environment, const FieldDescriptor& field, std::string* text) {
  const auto& reflection = *environment.GetReflection();
  std::map<std::string, std::string> pairs;
  for (int i = 0; i < reflection.FieldSize(environment, &field); ++i) {
    const auto& entry = reflection.GetRepeatedMessage(environment, &field, i);
    const auto& of_entry = *entry.GetReflection();
    pairs.emplace(of_entry.GetString(entry, entry.GetDescriptor()->map_key()),
                  of_entry.GetString(entry, entry.GetDescriptor()->map_value()));
  }
  for (const auto& [name, value] : pairs) {
    text->append("\n" + field.name() + "." + Quote(name) + "=" + Quote(value));
  }
}

// By reflection, so that a field that is added later counts without a change here; unset ones are
// left out, so that it does not change the hashes of environments that never had it.
void AddField(const v1::Environment& environment, const FieldDescriptor& field, std::string* text) {
  if (field.is_map()) return AddMap(environment, field, text);
  const auto& reflection = *environment.GetReflection();
  if (!reflection.HasField(environment, &field)) return;
  const std::string value = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING
                                ? Quote(reflection.GetString(environment, &field))
                                : std::to_string(reflection.GetUInt32(environment, &field));
  text->append("\n" + field.name() + "=" + value);
}

// Version 1 knew no settings of a GPU. Version 2 had the PCIe lanes in use, of which there are
// fewer while the GPU rests: the same machine was two environments.
int EnvironmentVersion(const v1::Environment& environment) {
  if (environment.pcie_width() != 0) return 3;
  const auto& reflection = *environment.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(environment, &fields);
  const bool has_gpu_settings =
      std::any_of(fields.begin(), fields.end(), [](const FieldDescriptor* field) {
        return field->number() >= v1::Environment::kGpuPowerLimitMwFieldNumber;
      });
  return has_gpu_settings ? 2 : 1;
}

}  // namespace

std::string Digest(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (size_t i = 0; i < kDigestBytes; ++i) {
    hex += kDigits[hash[i] >> 4];
    hex += kDigits[hash[i] & 15];
  }
  return hex;
}

std::string CanonicalWorkload(const v1::Workload& workload) {
  if (workload.has_calibration()) {
    std::string text = "torchlap.workload.1 calibration";
    if (workload.calibration().matrix_size() != 0) {
      Add("matrix", workload.calibration().matrix_size(), &text);
    }
    return text;
  }
  return CanonicalTransformerLm(workload.transformer_lm());
}

std::string WorkloadHash(const v1::Workload& workload) {
  return Digest(CanonicalWorkload(workload));
}

std::string SeriesKey(const v1::Run& run) {
  const v1::Timing timing =
      run.plan().timing() == v1::TIMING_UNSPECIFIED ? v1::TIMING_SEPARATE : run.plan().timing();
  std::string text = "torchlap.series.1";
  Add("workload", WorkloadHash(run.workload()), &text);
  Add("timing", Word(timing), &text);
  Add("warmup", run.plan().has_warmup_steps() ? run.plan().warmup_steps() : kDefaultWarmup, &text);
  Add("threads", run.threads(), &text);
  Add("device_model", Quote(run.device_model()), &text);
  AddUnlessDefault("execution", run.plan().execution(), v1::EXECUTION_UNSPECIFIED,
                   v1::EXECUTION_EAGER, &text);
  // An allocator that has little frees and asks anew.
  if (run.plan().has_memory_fraction()) {
    Add("memory_fraction", std::to_string(run.plan().memory_fraction()), &text);
  }
  if (run.plan().warmup_until_settled()) Add("warmup_rule", "settled", &text);
  return Digest(text);
}

std::string CanonicalEnvironment(const v1::Environment& environment) {
  std::string text = "torchlap.environment." + std::to_string(EnvironmentVersion(environment));
  const auto& type = *v1::Environment::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.number() == v1::Environment::kEnvironmentHashFieldNumber) continue;
    AddField(environment, field, &text);
  }
  return text;
}

std::string EnvironmentHash(const v1::Environment& environment) {
  return Digest(CanonicalEnvironment(environment));
}

}  // namespace torchlap::measure
