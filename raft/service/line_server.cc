#include "raft/service/line_server.h"

#include <string_view>
#include <utility>

namespace quorate::raft {
namespace {

constexpr size_t kLineBytesMax = 16 << 10;  // A configuration in hex.
constexpr size_t kSessionsMax = 1000;
constexpr size_t kUnsentBytesMax = 64 << 10;

}  // namespace

// One client. It collects lines, and pauses reads while a request is executed
// or replies are not taken.
class LineServer::Session final : public env::Connection::Observer {
 public:
  Session(LineServer& server, env::Loop& loop, uint64_t id,
          std::unique_ptr<env::Connection> connection)
      : server_(server),
        loop_(loop),
        id_(id),
        connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

  void Reply(const std::string& line) {
    connection_->Write(Buffer::Copy(line + "\n"));
    busy_ = false;
    TakeLines();
  }

 private:
  void OnBytes(std::string_view bytes) override {
    text_.append(bytes);
    TakeLines();
  }
  // Not called while reads are paused.
  void OnEnd() override {
    ended_ = true;
    connection_->End();
  }
  void OnClosed(absl::Status) override { server_.sessions_.erase(id_); }
  void OnDrained() override {
    if (ended_) {
      server_.sessions_.erase(id_);
    } else {
      TakeLines();
    }
  }
  bool MayTake() const {
    return !busy_ && connection_->unsent_bytes() < kUnsentBytesMax;
  }

  // Passes complete lines to the server, one after the reply to another. A
  // reply that comes within the handler continues the loop, not a deeper one.
  void TakeLines() {
    if (taking_) return;
    taking_ = true;
    size_t end = 0;
    while (MayTake() && (end = text_.find('\n', begin_)) != std::string::npos) {
      if (end - begin_ > kLineBytesMax) {
        server_.sessions_.erase(id_);
        return;
      }
      const std::string line = text_.substr(begin_, end - begin_);
      begin_ = end + 1;
      busy_ = true;
      server_.handler_(line,
                       [&server = server_, id = id_](const std::string& reply) {
                         const auto session = server.sessions_.find(id);
                         if (session != server.sessions_.end()) {
                           session->second->Reply(reply);
                         }
                       });
    }
    taking_ = false;
    text_.erase(0, std::exchange(begin_, 0));
    if (!MayTake()) {
      connection_->PauseReads();
      // OnDrained is not called for bytes that leave at the end of this turn.
      if (!busy_)
        next_turn_ = loop_.At(loop_.ReadClock().mono, [this] {
          if (MayTake()) TakeLines();
        });
      return;
    }
    if (text_.size() > kLineBytesMax) {
      server_.sessions_.erase(id_);
    } else {
      connection_->ResumeReads();
    }
  }

  LineServer& server_;
  env::Loop& loop_;
  const uint64_t id_;
  const std::unique_ptr<env::Connection> connection_;
  std::string text_;
  size_t begin_ = 0;  // The next line in `text_`.
  bool busy_ = false;
  bool taking_ = false;
  bool ended_ = false;
  env::Pending next_turn_;
};

LineServer::LineServer(Handler handler) : handler_(std::move(handler)) {}

LineServer::~LineServer() = default;

absl::Status LineServer::Listen(env::Env& env, const std::string& address) {
  auto listener = env.streams.Listen(
      address,
      [this, &loop = env.loop](std::unique_ptr<env::Connection> connection) {
        if (sessions_.size() >= kSessionsMax) return;
        const uint64_t id = next_session_++;
        sessions_[id] =
            std::make_unique<Session>(*this, loop, id, std::move(connection));
      });
  if (listener.ok()) listener_ = *std::move(listener);
  return listener.status();
}

}  // namespace quorate::raft
