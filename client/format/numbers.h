// Numbers as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace torchlap::client::format {

// A mean with its noise: both end at the second significant digit of the standard deviation, `152.3
// ± 8.5`, `305 ± 12`, `17800 ± 1000`. No std (one step): four significant digits of the mean alone.
std::string Measured(double mean, std::optional<double> std);

// A value alone, ended where Measured would end it: 2234.6 with a noise of 75 is `2235`.
std::string ToNoise(double value, std::optional<double> noise);

// A value in an interval, all ended at the second significant digit of its half width: `152.3
// [150.1, 154.4]`.
std::string InInterval(double value, double low, double high);

// `digits` significant digits, never in scientific notation; at most 6 decimals.
std::string Significant(double value, int digits);

// 0.0555 -> `5.6 %`.
std::string Percent(double ratio);

// Two significant digits, in sentences: 0.0555 -> `5.6 %`, 0.342 -> `34 %`, 0.05 -> `5 %`.
std::string PercentShort(double ratio);

// The same with its sign: `+6.1 %`, `-12 %`.
std::string SignedPercent(double ratio);

// Number and unit with three significant digits: `1.25 TFLOP/s`, `8.31 GB/s` (powers of ten).
std::string PerSecond(double rate, const std::string& unit);

// 128,625,408 -> `128.6M`; 1,998,235,200 -> `2.00B`.
std::string ParametersShort(uint64_t parameters);

// `992 MiB`, `2.31 GiB`, `25.4 GiB`.
std::string BytesShort(uint64_t bytes);

// `1st`, `2nd`, `3rd`, `11th`, `22nd`.
std::string Ordinal(uint32_t number);

// Mebibytes without the unit: `992`, `3.4`.
std::string Mebibytes(uint64_t bytes);

}  // namespace torchlap::client::format
