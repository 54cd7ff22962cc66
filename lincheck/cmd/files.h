// lincheck/cmd/files.h: the outside of the program: files, memory and where the
// user stands.
#ifndef QUORATE_LINCHECK_CMD_FILES_H_
#define QUORATE_LINCHECK_CMD_FILES_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lincheck/formats/source.h"

namespace quorate::lincheck {

// `bazel run` starts programs elsewhere; paths are those of the person who
// typed them.
std::string UserPath(const std::string& path);

// A file, or standard input for "-".
class FileSource final : public ByteSource {
 public:
  FileSource() = default;
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  absl::Status Open(const std::string& path);
  absl::StatusOr<size_t> Read(char* into, size_t size) override;

 private:
  int file_ = -1;
  bool own_ = false;
};

// Whether both paths lead to one file that is there.
bool IsSameFile(const std::string& one, const std::string& other);

absl::Status WriteFile(const std::string& path, std::string_view text);

// Forgets the largest amount of memory that this process had so far, where the
// system can.
void ResetPeakMemory();
// The largest amount of memory since then, in bytes.
uint64_t PeakMemoryBytes();

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_FILES_H_
