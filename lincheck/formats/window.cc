#include "lincheck/formats/window.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lincheck/text/words.h"

namespace quorate::lincheck {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
// The two ends of a long reason that are printed.
constexpr size_t kReasonBeginBytes = 300;
constexpr size_t kReasonEndBytes = 200;

// Moves `position` past `bytes`.
void Advance(std::string_view bytes, Position* position) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at != end) {
    const void* newline = std::memchr(at, '\n', end - at);
    if (newline == nullptr) break;
    ++position->line;
    position->column = 1;
    at = static_cast<const char*>(newline) + 1;
  }
  position->column += end - at;
}

}  // namespace

absl::Status BadInput(Position position, std::string_view reason) {
  std::string shown;
  for (const char c : Shortened(reason, kReasonBeginBytes, kReasonEndBytes)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppend(&shown, "\\x", absl::Hex(byte, absl::kZeroPad2));
    } else {
      shown.push_back(c);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(position.line, ":", position.column, ": ", shown));
}

absl::Status Window::Grow() {
  const size_t held = end_ - begin_;
  if (held >= kBytesMax) {
    return BadInput(position_, "what begins here is longer than 1 GiB");
  }
  const size_t wanted = std::max(kPieceBytes, held);
  if (begin_ > 0) {
    std::memmove(bytes_.data(), bytes_.data() + begin_, held);
    begin_ = 0;
    end_ = held;
  }
  if (bytes_.size() < held + wanted) bytes_.resize(held + wanted);
  // A short answer says nothing about what follows: a pipe gives what it has.
  while (end_ < held + wanted && !complete_) {
    absl::StatusOr<size_t> count =
        source_->Read(bytes_.data() + end_, held + wanted - end_);
    if (!count.ok()) return std::move(count).status();
    end_ += *count;
    complete_ = *count == 0;
  }
  if (!begun_) {
    begun_ = true;
    if (rest().substr(0, kByteOrderMark.size()) == kByteOrderMark) {
      begin_ += kByteOrderMark.size();
    }
  }
  return absl::OkStatus();
}

void Window::Consume(size_t count) {
  Advance(rest().substr(0, count), &position_);
  begin_ += count;
}

Position Window::PositionAt(size_t offset) const {
  Position position = position_;
  Advance(rest().substr(0, offset), &position);
  return position;
}

absl::StatusOr<bool> LineReader::Next(Line* line) {
  window_->Consume(consume_);
  consume_ = 0;
  size_t searched = 0;
  for (;;) {
    const std::string_view rest = window_->rest();
    const size_t newline = rest.find('\n', searched);
    const bool found = newline != std::string_view::npos;
    if (!found && !window_->complete()) {
      searched = rest.size();
      if (absl::Status status = window_->Grow(); !status.ok()) return status;
      continue;
    }
    if (!found && rest.empty()) return false;
    line->number = window_->position().line;
    line->terminated = found;
    line->text = rest.substr(0, newline);
    consume_ = line->text.size() + (found ? 1 : 0);
    if (found && !line->text.empty() && line->text.back() == '\r') {
      line->text.remove_suffix(1);
    }
    return true;
  }
}

}  // namespace quorate::lincheck
