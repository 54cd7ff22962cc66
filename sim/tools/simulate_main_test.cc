#include "sim/tools/simulate_main.h"

#include <cstdio>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sim/tools/arguments.h"

namespace quorate::sim {
namespace {

struct Printed {
  int exit_status = 0;
  std::string out;
  std::string error;
};

Printed Call(const std::vector<std::string>& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Printed printed{.exit_status = SimulateMain({.program = "simulate"}, words)};
  std::fflush(stdout);
  printed.out = testing::internal::GetCapturedStdout();
  printed.error = testing::internal::GetCapturedStderr();
  return printed;
}

TEST(SimulateMain, WrongWords_UnderJson_AreJson) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--json", "--seed", "x"},
        {"run", "--seed", "x", "--json"}}) {
    const Printed printed = Call(words);
    EXPECT_EQ(printed.exit_status, kBadUsage);
    EXPECT_EQ(printed.out.find("{\"error\":\"--seed: expected"), 0u)
        << printed.out;
    EXPECT_TRUE(printed.out.ends_with("\"}\n")) << printed.out;
    EXPECT_EQ(printed.error.find("--seed: "), 0u);
    EXPECT_EQ(printed.error.find('\n'), printed.error.size() - 1);
  }
  const Printed plain = Call({"run", "--seed", "x"});
  EXPECT_EQ(plain.exit_status, kBadUsage);
  EXPECT_EQ(plain.out, "");
  EXPECT_NE(plain.error.find("\n\n"), std::string::npos) << "no help";
}

TEST(SimulateMain, FileThatCannotBeWritten_UnderJson_IsJson) {
  const Printed printed =
      Call({"run", "--json", "--tape-out", "/nowhere/file.tape"});
  EXPECT_EQ(printed.exit_status, kBadUsage);
  EXPECT_EQ(printed.out, "{\"error\":\"cannot write /nowhere/file.tape\"}\n");
}

}  // namespace
}  // namespace quorate::sim
