#include "sim/workload/half_request.h"

#include <utility>

namespace quorate::sim {

HalfRequest::HalfRequest(env::Env& env, const std::string& server,
                         std::string bytes, Duration stay)
    : bytes_(std::move(bytes)) {
  connecting_ = env.streams.Connect(
      server,
      [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
        if (!connection.ok()) return;
        connection_ = *std::move(connection);
        connection_->SetObserver(this);
        connection_->Write(Buffer::Copy(bytes_));
      });
  vanishing_ = env.loop.At(env.loop.ReadClock().mono + stay, [this] {
    connecting_.Cancel();
    connection_.reset();
  });
}

}  // namespace quorate::sim
