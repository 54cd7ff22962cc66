// Servers without a raft::Host in the simulator: a register on one disk, and
// three of which the first one alone serves clients.
#include "sim/harness/server_subject.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "env/env.h"
#include "env/little_endian.h"
#include "env/parse_integer.h"
#include "gtest/gtest.h"
#include "lincheck/model.h"
#include "raft/service/line_server.h"
#include "sim/harness/harness.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kSeeds = 20;

enum class Mistake : uint8_t {
  kNone,
  kAnswersTooSoon,  // Answers a set before the write is durable.
  kIsSilent,        // Answers nothing after the hundredth request.
  kGivesUp,         // Says that it stopped after the hundredth request.
  kNeverStarts,     // Its second start does not end.
  kTrustsItsDisk,   // Does not compare checksums.
};

// A number on the disk. The file has two places, which are written in turn, so
// that one is whole at any time.
class Register {
 public:
  using Done = ServerTest::Done;

  Register(env::Env& env, ServerTest::Node node, Mistake mistake, Done started,
           Done stopped)
      : env_(env),
        node_(std::move(node)),
        mistake_(mistake),
        started_(std::move(started)),
        stopped_(std::move(stopped)),
        clients_([this](const std::string& line, Reply reply) {
          OnRequest(line, std::move(reply));
        }) {
    pending_ =
        env.disk.Open("value", env::Disk::OpenMode::kCreateIfAbsent,
                      [this](auto opened) { OnOpen(std::move(opened)); });
  }

 private:
  using Reply = raft::LineServer::Reply;
  static constexpr uint64_t kPlaceBytes = 24;

  struct Set {
    uint64_t value = 0;
    Reply reply;
  };

  void OnOpen(absl::StatusOr<std::unique_ptr<env::File>> opened) {
    if (!opened.ok()) return started_(opened.status());
    file_ = *std::move(opened);
    pending_ = env_.disk.SyncDirectory([this](const absl::Status& status) {
      if (!status.ok()) return started_(status);
      pending_ = file_->Read(0, 2 * kPlaceBytes,
                             [this](auto bytes) { OnRead(bytes); });
    });
  }

  // Bytes that are there may not be durable yet.
  void OnRead(const absl::StatusOr<Buffer>& bytes) {
    if (!bytes.ok()) return started_(bytes.status());
    for (uint64_t at = 0; at + 24 <= bytes->size(); at += kPlaceBytes) {
      const char* const place = bytes->data() + at;
      const auto number = LoadFixed<uint64_t>(place);
      const auto value = LoadFixed<uint64_t>(place + 8);
      if (mistake_ != Mistake::kTrustsItsDisk &&
          LoadFixed<uint64_t>(place + 16) != Checksum(number, value)) {
        continue;
      }
      if (number > number_)
        std::tie(number_, value_) = std::pair(number, value);
    }
    if (mistake_ == Mistake::kNeverStarts && number_ > 0) return;
    --number_;
    Write(value_, env::Durability::kDurable,
          [this](const absl::Status& status) {
            started_(status.ok() ? clients_.Listen(env_, node_.client_address)
                                 : status);
          });
  }

  void OnRequest(const std::string& line, Reply reply) {
    ++requests_;
    if (mistake_ == Mistake::kIsSilent && requests_ > 100) return;
    if (mistake_ == Mistake::kGivesUp && requests_ == 100) {
      stopped_(absl::UnavailableError("tired"));
    }
    if (node_.id != NodeId(1)) return reply("not mine");
    if (line == "get") return reply(absl::StrCat("ok ", value_));
    Set set{.reply = std::move(reply)};
    if (!ParseInteger(line.substr(4), &set.value)) return set.reply("what?");
    sets_.push_back(std::move(set));
    if (sets_.size() == 1) WriteFirst();
  }

  void WriteFirst() {
    const bool too_soon = mistake_ == Mistake::kAnswersTooSoon;
    Write(sets_.front().value,
          too_soon ? env::Durability::kLater : env::Durability::kDurable,
          [this](const absl::Status& status) {
            if (!status.ok()) return stopped_(status);
            Set set = std::move(sets_.front());
            sets_.pop_front();
            value_ = set.value;
            set.reply("ok");
            if (!sets_.empty()) WriteFirst();
          });
  }

  void Write(uint64_t value, env::Durability durability, env::File::Done done) {
    ++number_;
    std::string bytes;
    AppendFixed(&bytes, number_);
    AppendFixed(&bytes, value);
    AppendFixed(&bytes, Checksum(number_, value));
    const Buffer place = Buffer::Copy(bytes);
    pending_ = file_->Write(number_ % 2 * kPlaceBytes, {&place, 1}, durability,
                            std::move(done));
  }

  static uint64_t Checksum(uint64_t number, uint64_t value) {
    return Mix64(number ^ Mix64(value + 1));
  }

  env::Env& env_;
  const ServerTest::Node node_;
  const Mistake mistake_;
  Done started_;
  Done stopped_;
  uint64_t number_ = 1;  // The newest write.
  uint64_t value_ = 0;
  int requests_ = 0;
  std::deque<Set> sets_;
  std::unique_ptr<env::File> file_;
  env::Pending pending_;
  raft::LineServer clients_;
};

class RegisterTest final : public ServerTest {
 public:
  explicit RegisterTest(Mistake mistake) : mistake_(mistake) {}

  Server Start(env::Env& env, const Node& node, Done started,
               Done stopped) override {
    EXPECT_EQ(node.peers.size(), node.host.peers.size());
    EXPECT_FALSE(node.address.empty());
    return {.program = std::make_shared<Register>(
                env, node, mistake_, std::move(started), std::move(stopped))};
  }
  Request Draw(uint32_t, const Random& random, lincheck::History&) override {
    if (random.Chance({1, 2}, "example.get", 0, 0)) {
      return {.bytes = "get\n",
              .operation = {.function = RegisterModel::kGet},
              .repeatable = true};
    }
    const auto value = static_cast<int64_t>(
        1 + random.Below(uint64_t{1} << 40, "example.value", 0, 0));
    const std::string line = absl::StrCat("set ", value);
    // No log has the entry.
    return {.bytes = line + "\n",
            .operation = {.function = RegisterModel::kSet,
                          .argument = lincheck::Value::Integer(value)},
            .entry = line};
  }
  std::optional<Reply> ReadReply(const Request&, std::string_view bytes,
                                 lincheck::History& values) override {
    if (!bytes.ends_with('\n')) return std::nullopt;
    bytes.remove_suffix(1);
    if (bytes == "not mine") return Reply{.outcome = Outcome::kNotExecuted};
    if (bytes == "ok") return Reply{.outcome = Outcome::kDone};
    int64_t value = 0;
    if (bytes.starts_with("ok ") && ParseInteger(bytes.substr(3), &value)) {
      return Reply{Outcome::kDone, lincheck::Value::Integer(value)};
    }
    return Reply{Outcome::kDone, values.String(bytes)};
  }
  const lincheck::Model& model() const override { return model_; }

 private:
  struct RegisterModel {
    enum Function : uint8_t { kGet, kSet };
    using State = int64_t;
    State Initial() const { return 0; }
    bool Step(State& state, const lincheck::Operation& op) const {
      if (op.function == kSet) {
        state = op.argument.integer();
        return !op.known() || op.result.is_none();
      }
      return !op.known() || op.result == lincheck::Value::Integer(state);
    }
    bool IsRead(const lincheck::Operation& op) const {
      return op.function == kGet;
    }
    std::string_view Name(uint8_t function) const {
      return function == kGet ? "get" : "set";
    }
    std::string Describe(const State& state) const {
      return std::to_string(state);
    }
  };

  const Mistake mistake_;
  const lincheck::ModelOf<RegisterModel> model_;
};

MakeSubject Registers(ServerSubjectOptions options,
                      Mistake mistake = Mistake::kNone) {
  return [options, mistake](World& world) {
    return std::make_unique<ServerSubject>(
        &world, std::make_unique<RegisterTest>(mistake), options);
  };
}

// A server on one node, whose disk may fail.
ServerSubjectOptions Alone() {
  return {.nodes = 1, .budget = {.nodes_down = 0, .disks_failing = 1}};
}

// The first violation of some seeds; empty: they have none.
std::string FirstViolation(const MakeSubject& make) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const HarnessResult result = RunSeed({.seed = seed}, make);
    if (!result.ok()) {
      return absl::StrCat(result.violations.front(), " (seed ", seed, ")");
    }
  }
  return "";
}

TEST(ServerSubjectTest, ServerWithoutHost_IsSound) {
  EXPECT_EQ(FirstViolation(Registers(Alone())), "");
}

TEST(ServerSubjectTest, ServerWithoutHost_ServesClients) {
  const HarnessResult result = RunSeed({.seed = 1}, Registers(Alone()));
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.summary.find("leader"), std::string::npos) << result.summary;
  EXPECT_EQ(result.summary.find("not decided"), std::string::npos)
      << result.summary;
  const auto again = Replay(result.tape, Registers(Alone()));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->trace_hash, result.trace_hash);
}

TEST(ServerSubjectTest, AnswerBeforeTheWriteIsDurable_IsFound) {
  const std::string violation =
      FirstViolation(Registers(Alone(), Mistake::kAnswersTooSoon));
  EXPECT_TRUE(violation.starts_with("linearizability: ")) << violation;
}

TEST(ServerSubjectTest, SilentServerWithoutHost_IsFound) {
  const std::string violation =
      FirstViolation(Registers(Alone(), Mistake::kIsSilent));
  EXPECT_TRUE(violation.starts_with("liveness: ")) << violation;
}

TEST(ServerSubjectTest, ServerWithoutHostThatGivesUp_IsFound) {
  const std::string violation =
      FirstViolation(Registers(Alone(), Mistake::kGivesUp));
  EXPECT_TRUE(violation.starts_with("stopped: ")) << violation;
}

TEST(ServerSubjectTest, ServerWithoutHostThatDoesNotStartAgain_IsFound) {
  const std::string violation =
      FirstViolation(Registers(Alone(), Mistake::kNeverStarts));
  EXPECT_TRUE(violation.starts_with("liveness: ")) << violation;
  EXPECT_NE(violation.find("start"), std::string::npos) << violation;
}

TEST(ServerSubjectTest, BudgetWithoutNodesDown_HealsTheOneThatServes) {
  EXPECT_EQ(FirstViolation(Registers({.budget = {.nodes_down = 0}})), "");
  const std::string violation = FirstViolation(Registers({}));
  EXPECT_TRUE(violation.starts_with("liveness: ")) << violation;
}

TEST(ServerSubjectTest, BudgetWithoutPowerLoss_KeepsWhatIsNotDurable) {
  FaultBudget budget{.nodes_down = 0, .power_loss = false};
  EXPECT_EQ(FirstViolation(Registers({.nodes = 1, .budget = budget},
                                     Mistake::kAnswersTooSoon)),
            "");
}

// The newest write is whole, and the other place is not needed.
TEST(ServerSubjectTest, BudgetWithADamagedDisk_FindsAMissingChecksum) {
  ServerSubjectOptions options = Alone();
  EXPECT_EQ(FirstViolation(Registers(options, Mistake::kTrustsItsDisk)), "");
  options.budget.disks_damaged = 1;
  EXPECT_EQ(FirstViolation(Registers(options)), "");
  const std::string violation =
      FirstViolation(Registers(options, Mistake::kTrustsItsDisk));
  EXPECT_TRUE(violation.starts_with("linearizability: ")) << violation;
}

TEST(ServerSubjectTest, BudgetWithALostDisk_LosesTheRegister) {
  FaultBudget budget = Alone().budget;
  budget.disks_lost = 1;
  const std::string violation =
      FirstViolation(Registers({.nodes = 1, .budget = budget}));
  EXPECT_TRUE(violation.starts_with("linearizability: ")) << violation;
}

}  // namespace
}  // namespace quorate::sim
