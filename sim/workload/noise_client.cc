#include "sim/workload/noise_client.h"

#include <iterator>
#include <string_view>
#include <utility>

namespace quorate::sim {
namespace {

constexpr uint64_t kBetweenVisitsMaxMs = 1'500;
constexpr uint64_t kStayMaxMs = 3'000;

// Beginnings of what other programs send, and halves of what clients send.
constexpr std::string_view kBeginnings[] = {
    "",
    "*",
    "*3\r\n$3\r\nSET\r\n$5\r\nstran",
    "*2\r\n$3\r\nGET\r\n$536870912\r\n",
    "*1048577\r\n",
    "*1\r\n$-7\r\n",
    "GET /kv/strange HTTP/1.1\r\nHost: ",
    "PUT /kv/strange HTTP/1.1\r\nContent-Length: 9000000000\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "QUOR",
};

}  // namespace

NoiseClient::NoiseClient(env::Env& env, std::vector<std::string> addresses)
    : Dialogue(env), env_(env), addresses_(std::move(addresses)) {
  Leave();
}

void NoiseClient::Leave() {
  BeginAfter(Milliseconds(
      static_cast<int64_t>(Draw("noise.wait", kBetweenVisitsMaxMs))));
}

void NoiseClient::OnBegin() {
  ++visits_;
  Open(addresses_[Draw("noise.address", addresses_.size())], Protocol::kNone);
}

std::string NoiseClient::DrawBytes() {
  std::string bytes(
      kBeginnings[Draw("noise.beginning", std::size(kBeginnings))]);
  constexpr uint64_t kNoiseMax[] = {0, 16, 3'000};
  const uint64_t noise = Draw(
      "noise.length", 1 + kNoiseMax[Draw("noise.noise", std::size(kNoiseMax))]);
  uint64_t bits = 0;
  for (uint64_t i = 0; i < noise; ++i, bits >>= 8) {
    if (i % 8 == 0) bits = env_.random.Bits("noise.bytes", visits_, i);
    // Without line ends: no noise completes a command.
    const auto byte = static_cast<char>(bits);
    bytes += byte == '\r' || byte == '\n' ? ' ' : byte;
  }
  return bytes;
}

void NoiseClient::OnOpen() {
  ++connected_;
  std::string bytes = DrawBytes();
  if (!bytes.empty()) Send(std::move(bytes));
  switch (Draw("noise.manner", 4)) {
    case 0:
      return Leave();
    case 1:
      connection()->End();
      break;
    case 2:
      connection()->PauseReads();
      break;
    default:
      break;
  }
  SetTimeout(
      Milliseconds(static_cast<int64_t>(Draw("noise.stay", kStayMaxMs))));
}

}  // namespace quorate::sim
