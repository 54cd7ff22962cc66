#include "lincheck/cmd/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

using std::chrono::steady_clock;
constexpr auto kFirst = std::chrono::seconds(1);
constexpr auto kNext = std::chrono::milliseconds(200);

}  // namespace

ReadingProgress::ReadingProgress(std::string file)
    : file_(std::move(file)),
      terminal_(::isatty(STDERR_FILENO) != 0),
      next_(steady_clock::now() + kFirst) {}

bool ReadingProgress::Due() {
  if (!terminal_) return false;
  const auto now = steady_clock::now();
  if (now < next_) return false;
  next_ = now + kNext;
  return true;
}

void ReadingProgress::Print(const std::string& text) {
  std::fprintf(stderr, "\r\x1b[K%s: %s", file_.c_str(), text.c_str());
  std::fflush(stderr);
  shown_ = true;
}

void ReadingProgress::OnRead(uint64_t bytes, uint64_t size_bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!Due()) return;
  Print(size_bytes == 0 ? absl::StrCat("read ", bytes >> 20, " MiB")
                        : absl::StrCat("read ", bytes >> 20, " of ",
                                       size_bytes >> 20, " MiB"));
}

void ReadingProgress::OnPartitions(size_t done, size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!Due()) return;
  Print(absl::StrCat("judged ", done, " of ", count, " partitions"));
}

void ReadingProgress::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!shown_) return;
  std::fprintf(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace quorate::lincheck
