#include "bench/workload.h"

#include <csignal>
#include <cstring>
#include <ctime>

#include "kv/slots/slot.h"
#include "shardctrl/partition.h"

namespace quorate::bench {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void OnInterrupt(int) { g_interrupted = 1; }

}  // namespace

Corpus::Corpus(const Workload& workload)
    : keys_(workload.keys),
      fill_(workload.fill),
      first_slot_(workload.first_slot),
      last_slot_(workload.last_slot),
      state_(workload.seed * 0x9e3779b97f4a7c15ULL + 1),
      filler_(workload.value_bytes, ' ') {
  for (size_t i = 0; i < filler_.size(); ++i) {
    filler_[i] = static_cast<char>('a' + (i * 7 + i / 26) % 26);
  }
}

bool Corpus::IsInSlots(uint64_t key) const {
  if (first_slot_ == 0 && last_slot_ + 1 == kHashSlotCount) return true;
  char text[kKeyBytes];
  WriteKey(key, text);
  const uint16_t slot = kv::HashSlot({text, sizeof(text)}).value();
  return first_slot_ <= slot && slot <= last_slot_;
}

bool Corpus::Next(uint64_t* key) {
  if (fill_) {
    while (next_ < keys_ && !IsInSlots(next_)) ++next_;
    if (next_ == keys_) return false;
    *key = next_++;
    return true;
  }
  do {
    *key = Draw();
  } while (!IsInSlots(*key));
  return true;
}

uint64_t Corpus::Draw() {
  // xorshift64*: spreads keys well enough at almost no cost.
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  const uint64_t bits = state_ * 0x2545f4914f6cdd1dULL;
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * keys_) >>
                               64);
}

void Corpus::WriteKey(uint64_t key, char* out) const {
  // "v00064:000001234": workloads of different value sizes use different keys.
  out[0] = 'v';
  uint64_t size = filler_.size();
  for (int i = 5; i >= 1; --i, size /= 10) {
    out[i] = static_cast<char>('0' + size % 10);
  }
  out[6] = ':';
  for (int i = kKeyBytes - 1; i >= 7; --i, key /= 10) {
    out[i] = static_cast<char>('0' + key % 10);
  }
}

void Corpus::WriteValue(uint64_t key, char* out) const {
  WriteKey(key, out);
  std::memcpy(out + kKeyBytes, filler_.data() + kKeyBytes,
              filler_.size() - kKeyBytes);
}

bool Corpus::IsValueOf(uint64_t key, std::string_view value) const {
  char expected[kKeyBytes];
  WriteKey(key, expected);
  return value.size() == filler_.size() &&
         std::memcmp(value.data(), expected, kKeyBytes) == 0 &&
         std::memcmp(value.data() + kKeyBytes, filler_.data() + kKeyBytes,
                     filler_.size() - kKeyBytes) == 0;
}

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

bool Interrupted() { return g_interrupted != 0; }

void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace quorate::bench
