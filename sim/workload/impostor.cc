#include "sim/workload/impostor.h"

#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

#include "env/check.h"
#include "env/parse_integer.h"

namespace quorate::sim {
namespace {

// Answers to QUORATE.SLOTS. The last ones name nodes that do not exist.
constexpr std::string_view kSlots[] = {
    ",1.5\r\n",
    "(12345678901234567890\r\n",
    "#t\r\n",
    "#f\r\n",
    "_\r\n",
    "=9\r\ntxt:slots\r\n",
    "~1\r\n:1\r\n",
    ">2\r\n+slots\r\n*0\r\n",
    "%1\r\n+slots\r\n*0\r\n",
    "*1\r\n:5\r\n",
    "*1\r\n*3\r\n:9\r\n:7\r\n*2\r\n$1\r\nx\r\n:1\r\n",
    "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:2\r\n",
    "*1\r\n*3\r\n:0\r\n:99\r\n*2\r\n$1\r\n?\r\n:3\r\n",
    "*1\r\n*3\r\n:5000\r\n:9000\r\n*2\r\n$7\r\nnowhere\r\n:1\r\n",
};
constexpr std::string_view kThreeReplies =
    "-LOADING not ready\r\n-LOADING not ready\r\n-LOADING not ready\r\n";
// Answers to all other requests.
constexpr std::string_view kRefusals[] = {
    "-LOADING not ready\r\n",
    "-CLUSTERDOWN not ready\r\n",
    "-MOVED 5 nowhere:1\r\n",
    "-MOVED 5 ?:4\r\n",
    "-MOVED 99999 nowhere:1\r\n",
    "-MOVED 5\r\n",
    "-MOVED 5 nowhere\r\n",
    // No replies of RESP.
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "#maybe\r\n",
    "_nothing\r\n",
    ":one\r\n",
    "=2\r\nab\r\n",
    "$3\r\nabcde",
    "\r\n",
    kThreeReplies,
};

}  // namespace

// One connection.
class Impostor::Visit final : env::Connection::Observer {
 public:
  Visit(Impostor* impostor, std::unique_ptr<env::Connection> connection)
      : impostor_(impostor), connection_(std::move(connection)) {
    connection_->SetObserver(this);
  }

 private:
  void OnBytes(std::string_view bytes) override {
    unread_.append(bytes);
    bool asks_for_slots = false;
    while (!ended_ && TakeRequest(&asks_for_slots)) {
      const std::string answer = impostor_->DrawAnswer(asks_for_slots);
      connection_->Write(Buffer::Copy(answer));
      // With more replies than requests, a client that pipelines would take
      // later answers for those to other requests.
      if (answer == kThreeReplies) End();
    }
  }
  void OnEnd() override {
    if (!ended_) End();
  }
  void OnClosed(absl::Status) override {}
  void OnDrained() override {}

  void End() {
    ended_ = true;
    connection_->End();
  }

  // Takes the next line; false: it is not complete.
  bool TakeLine(size_t* at, std::string_view* line) const {
    const size_t end = unread_.find("\r\n", *at);
    if (end == std::string::npos) return false;
    *line = std::string_view(unread_).substr(*at, end - *at);
    *at = end + 2;
    return true;
  }

  // Takes one array of strings.
  bool TakeRequest(bool* asks_for_slots) {
    size_t at = 0;
    std::string_view line;
    uint32_t words = 0;
    if (!TakeLine(&at, &line)) return false;
    CHECK(ParseInteger(line.substr(1), &words)) << std::string(line);
    for (uint32_t i = 0; i < words; ++i) {
      uint32_t size = 0;
      if (!TakeLine(&at, &line)) return false;
      CHECK(ParseInteger(line.substr(1), &size)) << std::string(line);
      if (unread_.size() < at + size + 2) return false;
      if (i == 0) *asks_for_slots = unread_.substr(at, size) == "QUORATE.SLOTS";
      at += size + 2;
    }
    unread_.erase(0, at);
    return true;
  }

  Impostor* const impostor_;
  const std::unique_ptr<env::Connection> connection_;
  std::string unread_;
  bool ended_ = false;
};

Impostor::Impostor(env::Env& env, const std::string& address) : env_(env) {
  auto listener = env.streams.Listen(
      address, [this](std::unique_ptr<env::Connection> connection) {
        visits_.push_back(std::make_unique<Visit>(this, std::move(connection)));
      });
  CHECK(listener.ok()) << listener.status().ToString();
  listener_ = *std::move(listener);
}

Impostor::~Impostor() = default;

void Impostor::Stop() {
  end_ = env_.loop.At(env_.loop.ReadClock().mono, [this] {
    listener_.reset();
    visits_.clear();
  });
}

std::string Impostor::DrawAnswer(bool asks_for_slots) {
  ++answered_;
  if (asks_for_slots) {
    return std::string(kSlots[env_.random.Below(
        std::size(kSlots), "impostor.slots", answered_, 0)]);
  }
  return std::string(kRefusals[env_.random.Below(
      std::size(kRefusals), "impostor.refusal", answered_, 0)]);
}

}  // namespace quorate::sim
