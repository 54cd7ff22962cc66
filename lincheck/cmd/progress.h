// lincheck/cmd/progress.h: a line that says how far the check of a long file
// is, for people.
//
// Any thread may report progress. Nothing is printed in the first second, nor
// where standard error is not a terminal.
#ifndef QUORATE_LINCHECK_CMD_PROGRESS_H_
#define QUORATE_LINCHECK_CMD_PROGRESS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace quorate::lincheck {

class ReadingProgress {
 public:
  explicit ReadingProgress(std::string file);
  ~ReadingProgress() { Clear(); }
  ReadingProgress(const ReadingProgress&) = delete;
  ReadingProgress& operator=(const ReadingProgress&) = delete;

  // `size_bytes` 0: not known.
  void OnRead(uint64_t bytes, uint64_t size_bytes);
  void OnPartitions(size_t done, size_t count);
  // Takes the line away again.
  void Clear();

 private:
  // True if it is time for another line.
  bool Due();
  void Print(const std::string& text);

  const std::string file_;
  const bool terminal_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_;
  bool shown_ = false;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_PROGRESS_H_
