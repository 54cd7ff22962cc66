// net/tools/quickstart_files.h: the files of a quickstart: its directory, and
// the configuration files of its nodes. Both of its programs use them.
#ifndef QUORATE_NET_TOOLS_QUICKSTART_FILES_H_
#define QUORATE_NET_TOOLS_QUICKSTART_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/tools/quickstart_plan.h"

namespace quorate::net {

// The directory as an absolute path; empty: quorate/quickstart under
// $XDG_CACHE_HOME, or under .cache of the home directory.
absl::StatusOr<std::string> QuickstartDirectory(const std::string& data_dir);

// Prints why the program ends, and returns the exit status.
int PrintQuickstartError(const absl::Status& status, int exit_status);

std::string ReadText(const std::string& path, uintmax_t from = 0);
// Replaces the file atomically.
absl::Status WriteText(const std::string& path, const std::string& text);

// The nodes that have a configuration file in the directory, by id.
std::vector<QuickstartNode> KnownNodes(const std::string& directory);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_QUICKSTART_FILES_H_
