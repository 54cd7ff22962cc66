// One node that is a cluster of its own: adds 1 to a number on its disk, and
// prints the sum.
//
//   adder_main DIR
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "adder.h"
#include "net/real_env.h"
#include "raft/host/host.h"

using quorate::GroupId;
using quorate::NodeId;

int main(int argc, char** argv) {
  if (argc != 2) return 2;

  quorate::raft::HostOptions options;
  options.cluster = quorate::ClusterId(7);
  options.node = NodeId(1);
  options.listen_address = "127.0.0.1:0";
  options.plan.groups = {{.group = GroupId(1), .voters = {NodeId(1)}}};
  options.bootstrap = !std::filesystem::exists(argv[1]);
  auto real = quorate::net::RealEnv::Create({.data_directory = argv[1]});
  if (!real.ok()) return 1;
  quorate::net::EventLoop& loop = (*real)->loop();
  quorate::raft::Host host((*real)->env(), options,
                           [](GroupId, const quorate::raft::Configuration&) {
                             return std::make_unique<Adder>();
                           },
                           /*observer=*/nullptr);

  int status = 1;
  quorate::env::Pending again;
  std::function<void()> add = [&] {
    host.Propose(GroupId(1), quorate::Buffer::Copy("1"),
                 [&](const quorate::raft::ProposeResult& result) {
                   if (result.outcome == quorate::Outcome::kNotExecuted) {
                     // The node does not lead yet.
                     const auto now = loop.ReadClock().mono;
                     again = loop.At(now + quorate::Milliseconds(20), add);
                     return;
                   }
                   const std::string sum(result.result.view());
                   std::printf("%s\n", sum.c_str());
                   status = result.outcome == quorate::Outcome::kDone ? 0 : 1;
                   loop.Stop();
                 });
  };
  host.Start([&](absl::Status started) {
    if (started.ok()) return add();
    std::fprintf(stderr, "%s\n", std::string(started.message()).c_str());
    loop.Stop();
  });
  loop.Run();
  // A full disk or a closed pipe: the sum was lost.
  return std::fflush(stdout) == 0 ? status : 2;
}
