// sim/workload/watched_streams.h: the streams of a client, with a hook for the
// bytes that it hands to open connections.
#ifndef QUORATE_SIM_WORKLOAD_WATCHED_STREAMS_H_
#define QUORATE_SIM_WORKLOAD_WATCHED_STREAMS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "env/byte_streams.h"

namespace quorate::sim {

class WatchedStreams final : public env::Streams {
 public:
  using Hook = std::function<void(const Buffer&)>;

  // `streams` outlives the object, which outlives its connections.
  WatchedStreams(env::Streams& streams, Hook hook)
      : streams_(streams), hook_(std::move(hook)) {}

  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(
      const std::string& address, Accept accept) override {
    return streams_.Listen(address, std::move(accept));
  }
  env::Pending Connect(const std::string& address,
                       Connected connected) override {
    return streams_.Connect(
        address,
        [this, connected = std::move(connected)](
            absl::StatusOr<std::unique_ptr<env::Connection>> opened) mutable {
          if (!opened.ok()) return connected(opened.status());
          connected(std::make_unique<Watched>(this, *std::move(opened)));
        });
  }

 private:
  class Watched final : public env::Connection {
   public:
    Watched(WatchedStreams* owner, std::unique_ptr<env::Connection> inner)
        : owner_(*owner), inner_(std::move(inner)) {}

    void SetObserver(Observer* observer) override {
      inner_->SetObserver(observer);
    }
    void Write(Buffer bytes) override {
      owner_.hook_(bytes);
      inner_->Write(std::move(bytes));
    }
    size_t unsent_bytes() const override { return inner_->unsent_bytes(); }
    uint64_t taken_bytes() const override { return inner_->taken_bytes(); }
    void End() override { inner_->End(); }
    void PauseReads() override { inner_->PauseReads(); }
    void ResumeReads() override { inner_->ResumeReads(); }
    std::string peer_address() const override { return inner_->peer_address(); }

   private:
    WatchedStreams& owner_;
    const std::unique_ptr<env::Connection> inner_;
  };

  env::Streams& streams_;
  const Hook hook_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORKLOAD_WATCHED_STREAMS_H_
