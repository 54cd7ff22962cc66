// sim/tools/files.h: files that a user names on a command line. Only programs
// use them: simulated code has a disk of its own.
#ifndef QUORATE_SIM_TOOLS_FILES_H_
#define QUORATE_SIM_TOOLS_FILES_H_

#include <optional>
#include <string>

namespace quorate::sim {

// `bazel run` starts programs in another directory. Paths on the command line
// are relative to the user's directory.
std::string UserPath(const std::string& path);

// Reads a whole file. No value if that fails.
std::optional<std::string> ReadFile(const std::string& path);
// False: it cannot be written whole.
bool WriteFile(const std::string& path, const std::string& bytes);
// Whether a file can be written at `path`. Creates an empty file if there is
// none.
bool CanWriteFile(const std::string& path);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_FILES_H_
