#include "sim/choices/choices.h"

#include <string>

#include "env/check.h"

namespace quorate::sim {

Choices::Choices(uint64_t seed, bool record)
    : random_(seed), replaying_(false), recording_(record) {}

Choices::Choices(const Tape& tape)
    : random_(tape.seed),
      replaying_(true),
      recording_(false),
      choices_(tape.choices) {
  replay_.reserve(choices_.size());
  for (size_t i = 0; i < choices_.size(); ++i) {
    const TapeChoice& choice = choices_[i];
    replay_.try_emplace(Key(Site(std::string_view(choice.site)).hash(),
                            choice.entity, choice.counter),
                        Replayed{i, false});
  }
}

uint64_t Choices::Find(const ChoiceSite& site, uint64_t entity,
                       uint64_t counter, uint64_t default_value) {
  const auto found = replay_.find(Key(site.site.hash(), entity, counter));
  if (found == replay_.end()) return default_value;
  found->second.used = true;
  return choices_[found->second.line].value;
}

void Choices::Record(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                     uint64_t value, uint64_t default_value) {
  const auto [known, first] =
      recorded_.try_emplace(Key(site.site.hash(), entity, counter), value);
  CHECK_EQ(known->second, value)
      << "two choices have the name " << site.name << " " << entity << " "
      << counter << ": a tape cannot tell them apart";
  if (!first || value == default_value) return;
  choices_.push_back({std::string(site.name), entity, counter, value});
}

std::vector<TapeChoice> Choices::taken() const {
  if (!replaying_) return choices_;
  std::vector<TapeChoice> used;
  for (const TapeChoice& choice : choices_) {
    const auto found =
        replay_.find(Key(Site(std::string_view(choice.site)).hash(),
                         choice.entity, choice.counter));
    if (found->second.used) used.push_back(choice);
  }
  return used;
}

}  // namespace quorate::sim
