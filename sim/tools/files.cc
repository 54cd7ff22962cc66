#include "sim/tools/files.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace quorate::sim {

std::string UserPath(const std::string& path) {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (path.empty() || path[0] == '/' || directory == nullptr) return path;
  return std::string(directory) + "/" + path;
}

std::optional<std::string> ReadFile(const std::string& path) {
  struct stat kind;
  if (::stat(path.c_str(), &kind) != 0 || S_ISDIR(kind.st_mode)) {
    return std::nullopt;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

bool WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  return static_cast<bool>(out.flush());
}

bool CanWriteFile(const std::string& path) {
  return static_cast<bool>(std::ofstream(path, std::ios::app));
}

}  // namespace quorate::sim
