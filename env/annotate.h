// env/annotate.h: adds context to an absl::Status, such as the name of the file
// that an operation failed on.
#ifndef QUORATE_ENV_ANNOTATE_H_
#define QUORATE_ENV_ANNOTATE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace quorate {

// Returns `status` with the message "CONTEXT: MESSAGE". Requires: !status.ok().
inline absl::Status Annotate(const absl::Status& status,
                             std::string_view context) {
  std::string message(context);
  message += ": ";
  message.append(status.message().data(), status.message().size());
  return absl::Status(status.code(), message);
}

}  // namespace quorate

#endif  // QUORATE_ENV_ANNOTATE_H_
