// env/program/version.h: the version of this project: of its programs, its
// libraries and its installation.
#ifndef QUORATE_ENV_PROGRAM_VERSION_H_
#define QUORATE_ENV_PROGRAM_VERSION_H_

#include <string_view>

namespace quorate {

inline constexpr std::string_view kQuorateVersion = "0.1.0";

}  // namespace quorate

#endif  // QUORATE_ENV_PROGRAM_VERSION_H_
