#include "sim/checks/sent_bytes.h"

#include <algorithm>
#include <utility>

namespace quorate::sim {

void SentBytes::Add(SimTime now, Buffer bytes) {
  bytes_ += bytes.size();
  pieces_.push_back({now, std::move(bytes)});
  while (bytes_ - pieces_.front().bytes.size() >= bytes_max_) {
    bytes_ -= pieces_.front().bytes.size();
    forgotten_at_ = pieces_.front().at;
    pieces_.pop_front();
  }
}

bool SentBytes::MayContain(SimTime since, std::string_view key) const {
  if (since <= forgotten_at_) return true;
  return std::any_of(pieces_.rbegin(), pieces_.rend(), [&](const Piece& piece) {
    return piece.at >= since &&
           piece.bytes.view().find(key) != std::string_view::npos;
  });
}

}  // namespace quorate::sim
