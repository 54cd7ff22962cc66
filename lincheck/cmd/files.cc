#include "lincheck/cmd/files.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

absl::Status SystemError(std::string_view what) {
  return absl::UnavailableError(
      absl::StrCat(std::string(what), ": ", std::strerror(errno)));
}

}  // namespace

std::string UserPath(const std::string& path) {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (path.empty() || path[0] == '/' || directory == nullptr) return path;
  return absl::StrCat(directory, "/", path);
}

FileSource::~FileSource() {
  if (own_) ::close(file_);
}

absl::Status FileSource::Open(const std::string& path) {
  if (path == "-") {
    file_ = STDIN_FILENO;
    return absl::OkStatus();
  }
  file_ = ::open(UserPath(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) return SystemError("cannot be opened");
  own_ = true;
  return absl::OkStatus();
}

absl::StatusOr<size_t> FileSource::Read(char* into, size_t size) {
  ssize_t count = 0;
  do {
    count = ::read(file_, into, size);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return SystemError("cannot be read");
  return static_cast<size_t>(count);
}

bool IsSameFile(const std::string& one, const std::string& other) {
  struct stat a {};
  struct stat b {};
  return ::stat(UserPath(one).c_str(), &a) == 0 &&
         ::stat(UserPath(other).c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

absl::Status WriteFile(const std::string& path, std::string_view text) {
  std::FILE* const file = std::fopen(UserPath(path).c_str(), "wb");
  if (file == nullptr) return SystemError("cannot be written");
  const bool written =
      std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((std::fclose(file) != 0) | !written) {
    return SystemError("cannot be written");
  }
  return absl::OkStatus();
}

void ResetPeakMemory() {
  ::malloc_trim(0);  // Freed memory is not this file's.
  std::ofstream file("/proc/self/clear_refs");
  file << "5";
}

uint64_t PeakMemoryBytes() {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word) {
    uint64_t kilobytes = 0;
    if (word == "VmHWM:" && file >> kilobytes) return kilobytes << 10;
  }
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) << 10;
}

}  // namespace quorate::lincheck
