#include "raft/service/line_server.h"

#include <string_view>

namespace quorate::raft {
namespace {

constexpr size_t kLineBytesMax = 16 << 10;  // A configuration in hex.
constexpr size_t kSessionsMax = 1000;

}  // namespace

// One client. It collects lines, and pauses reads while a request is executed.
class LineServer::Session final : public env::Connection::Observer {
 public:
  Session(LineServer& server, uint64_t id,
          std::unique_ptr<env::Connection> connection)
      : server_(server), id_(id), connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

  void Reply(const std::string& line) {
    connection_->Write(Buffer::Copy(line + "\n"));
    busy_ = false;
    connection_->ResumeReads();
    TakeLines();
  }

 private:
  void OnBytes(std::string_view bytes) override {
    text_.append(bytes);
    TakeLines();
  }
  // Not called while a request is executed, since reads are paused then.
  void OnEnd() override {
    ended_ = true;
    connection_->End();
  }
  void OnClosed(absl::Status) override { server_.sessions_.erase(id_); }
  void OnDrained() override {
    if (ended_) server_.sessions_.erase(id_);
  }

  // Passes the next complete line to the server. The reply to it calls this
  // function again for the next line.
  void TakeLines() {
    if (busy_) return;
    const size_t end = text_.find('\n');
    if (end == std::string::npos) {
      if (text_.size() > kLineBytesMax) server_.sessions_.erase(id_);
      return;
    }
    const std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    busy_ = true;
    connection_->PauseReads();
    server_.handler_(line,
                     [&server = server_, id = id_](const std::string& reply) {
                       const auto session = server.sessions_.find(id);
                       if (session != server.sessions_.end())
                         session->second->Reply(reply);
                     });
  }

  LineServer& server_;
  const uint64_t id_;
  const std::unique_ptr<env::Connection> connection_;
  std::string text_;
  bool busy_ = false;
  bool ended_ = false;
};

LineServer::LineServer(Handler handler) : handler_(std::move(handler)) {}

LineServer::~LineServer() = default;

absl::Status LineServer::Listen(env::Streams& streams,
                                const std::string& address) {
  auto listener = streams.Listen(
      address, [this](std::unique_ptr<env::Connection> connection) {
        if (sessions_.size() >= kSessionsMax) return;
        const uint64_t id = next_session_++;
        sessions_[id] =
            std::make_unique<Session>(*this, id, std::move(connection));
      });
  if (listener.ok()) listener_ = *std::move(listener);
  return listener.status();
}

}  // namespace quorate::raft
