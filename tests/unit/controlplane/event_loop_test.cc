// Timers in order, descriptors, closures from other threads, stopping; work beside the loop.
#include "controlplane/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controlplane/background_thread.h"
#include "lib/base/unique_fd.h"
#include "tests/unit/base/no_threads.h"
#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

TEST_CASE("timers run in the order of their deadlines, cancelled ones not") {
  EventLoop loop;
  std::vector<int> order;
  loop.After(absl::Milliseconds(30), [&] { order.push_back(3); });
  loop.After(absl::Milliseconds(10), [&] { order.push_back(1); });
  loop.After(absl::Milliseconds(10), [&] { order.push_back(2); });
  const auto cancelled = loop.After(absl::Milliseconds(20), [&] { order.push_back(99); });
  loop.After(absl::ZeroDuration(), [&] { loop.Cancel(cancelled); });
  loop.After(absl::Milliseconds(40), [&] { loop.Stop(); });
  const absl::Duration start = loop.Now();
  loop.Run();
  CHECK(order == std::vector<int>{1, 2, 3});
  CHECK(loop.Now() - start >= absl::Milliseconds(40));
  loop.Cancel(cancelled);
  loop.Cancel(12345);
}

TEST_CASE("the background thread knows how long its work takes") {
  EventLoop loop;
  BackgroundThread background(&loop);
  CHECK(background.BusyFor() == absl::ZeroDuration());
  absl::Notification begun, go_on;
  background.Run(
      [&] {
        begun.Notify();
        go_on.WaitForNotification();
      },
      [&] { loop.Stop(); });
  begun.WaitForNotification();
  const absl::Duration busy = background.BusyFor();
  CHECK(busy > absl::ZeroDuration());
  CHECK(background.BusyFor() > busy);
  go_on.Notify();
  loop.Run();
  CHECK(background.BusyFor() == absl::ZeroDuration());
}

TEST_CASE("a background thread that the host does not have is an error in words") {
  EventLoop loop;
  {
    const NoThreads none;
    BackgroundThread background(&loop);
    CHECK(absl::IsUnavailable(background.started()));
    background.Run([] { FAIL("there is no thread"); });
  }
  CHECK(BackgroundThread(&loop).started().ok());
}

TEST_CASE("after a handler that took long, what is ready comes before the timers that are due") {
  EventLoop loop;
  std::vector<UniqueFd> answers;  // more than one call of epoll_wait reports
  size_t heard = 0;
  for (int i = 0; i < 200; ++i) {
    answers.emplace_back(eventfd(0, EFD_NONBLOCK));
    loop.Watch(answers.back().get(), EPOLLIN, [&, fd = answers.back().get()](uint32_t) {
      loop.Unwatch(fd);
      ++heard;
    });
  }
  size_t heard_at_deadline = 0;
  loop.After(absl::Milliseconds(5), [&] {
    heard_at_deadline = heard;
    loop.Stop();
  });
  loop.Post([&] {
    for (const UniqueFd& answer : answers) eventfd_write(answer.get(), 1);
    const absl::Duration end = loop.Now() + absl::Milliseconds(20);
    while (loop.Now() < end) continue;  // takes long
  });
  loop.Run();
  CHECK(heard_at_deadline == answers.size());
}

TEST_CASE("what a handler posts comes before the timers that are due") {
  EventLoop loop;
  const UniqueFd ready(eventfd(0, EFD_NONBLOCK));
  std::vector<std::string> order;
  loop.Watch(ready.get(), EPOLLIN, [&](uint32_t) {
    loop.Unwatch(ready.get());
    loop.Post([&] { order.push_back("posted"); });
  });
  loop.Post([&] {  // both are due when the loop looks next
    eventfd_write(ready.get(), 1);
    loop.After(absl::ZeroDuration(), [&] {
      order.push_back("timer");
      loop.Stop();
    });
  });
  loop.Run();
  CHECK(order == std::vector<std::string>{"posted", "timer"});
}

TEST_CASE("what a timer posts is not waited with") {
  EventLoop loop;
  bool ran = false;
  loop.After(absl::ZeroDuration(), [&] {
    loop.Post([&] {
      ran = true;
      loop.Stop();
    });
  });
  const absl::Duration start = loop.Now();
  loop.After(absl::Seconds(5), [&] { loop.Stop(); });
  loop.Run();
  CHECK(ran);
  CHECK(loop.Now() - start < absl::Seconds(5));
}

TEST_CASE("a handler may unwatch any descriptor, also one whose event is already reported") {
  EventLoop loop;
  const UniqueFd a(eventfd(1, EFD_NONBLOCK)), b(eventfd(1, EFD_NONBLOCK));
  int calls = 0;
  const auto handler = [&](uint32_t events) {
    CHECK((events & EPOLLIN) != 0);
    ++calls;
    loop.Unwatch(a.get());
    loop.Unwatch(b.get());
    loop.After(absl::Milliseconds(20), [&] { loop.Stop(); });
  };
  loop.Watch(a.get(), EPOLLIN, handler);
  loop.Watch(b.get(), EPOLLIN, handler);
  loop.Run();
  CHECK(calls == 1);
}

TEST_CASE("watching again replaces; a descriptor number may be used again after close") {
  EventLoop loop;
  UniqueFd first(eventfd(0, EFD_NONBLOCK));
  const int number = first.get();
  loop.Watch(number, EPOLLIN, [&](uint32_t) { FAIL("the closed descriptor's handler"); });
  first.reset();
  const UniqueFd second(eventfd(1, EFD_NONBLOCK));
  REQUIRE(second.get() == number);
  loop.Watch(number, EPOLLIN, [&](uint32_t) { FAIL("the replaced handler"); });
  loop.Watch(number, EPOLLIN, [&](uint32_t) { loop.Stop(); });
  loop.Run();
}

TEST_CASE("an event reported for a closed descriptor is not taken for its number's next user") {
  EventLoop loop;
  UniqueFd descriptors[2] = {UniqueFd(eventfd(1, EFD_NONBLOCK)),
                             UniqueFd(eventfd(1, EFD_NONBLOCK))};
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    loop.Watch(descriptors[i].get(), EPOLLIN, [&, i](uint32_t) {
      ++calls;
      // Both are ready and reported together; the other is replaced by one that is not ready.
      UniqueFd& other = descriptors[1 - i];
      const int number = other.get();
      loop.Unwatch(number);
      other.reset();
      other.reset(eventfd(0, EFD_NONBLOCK));
      REQUIRE(other.get() == number);
      loop.Watch(number, EPOLLIN, [&](uint32_t) { ++calls; });
      loop.Unwatch(descriptors[i].get());
      loop.After(absl::Milliseconds(10), [&] { loop.Stop(); });
    });
  }
  loop.Run();
  CHECK(calls == 1);
}

TEST_CASE("closures from other threads run on the loop's, and Call waits for them") {
  auto thread = std::make_unique<LoopThread>();
  std::thread::id id;
  int count = 0;
  CHECK(thread->loop()->Call([&] { id = std::this_thread::get_id(); }));
  CHECK(id != std::this_thread::get_id());
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) thread->loop()->Post([&] { ++count; });
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(thread->loop()->Call([&] {
    CHECK(count == 4000);
    // From the loop's own thread it runs at once.
    bool nested = false;
    thread->loop()->Call([&] { nested = true; });
    CHECK(nested);
  }));
}

TEST_CASE("Call on a stopped loop says so instead of waiting for ever") {
  EventLoop loop;
  loop.Stop();
  loop.Run();
  CHECK_FALSE(loop.Call([] { FAIL("ran"); }));
}

void Busy(EventLoop* loop, absl::Duration time) {
  const absl::Duration end = loop->Now() + time;
  while (loop->Now() < end) continue;
}

TEST_CASE("turns are measured by name: the caller's file, or what it says") {
  EventLoop loop;
  const UniqueFd ready(eventfd(1, EFD_NONBLOCK));
  loop.Watch(
      ready.get(), EPOLLIN, [&](uint32_t) { loop.Unwatch(ready.get()); }, "descriptor");
  loop.Post([&] { Busy(&loop, absl::Milliseconds(20)); }, "folder/long_work.cc");
  loop.After(absl::Milliseconds(1), [&] {});
  loop.After(absl::Milliseconds(30), [&] { loop.Stop(); });
  loop.Run();
  const auto works = loop.meter().ByWork();
  REQUIRE(works.size() == 4);  // and the loop's own descriptor
  CHECK(works.at("descriptor").turns == 1);
  CHECK(works.at("event_loop_test").turns == 2);
  CHECK(works.at("event_loop_test").longest < absl::Milliseconds(20));
  const LoopMeter::Work& busy = works.at("long_work");
  CHECK(busy.longest >= absl::Milliseconds(20));
  CHECK(busy.total == busy.longest);
  CHECK(LoopMeter::RecentOf(busy) == busy.longest);
  // However busy the machine is, most of it was work.
  CHECK(busy.longest_processor > absl::Milliseconds(1));
  CHECK(busy.longest_processor <= busy.longest);
  CHECK(loop.meter().turns().count() == 4 + works.at("event_loop").turns);
}

TEST_CASE("a turn that waits costs no processor time") {
  EventLoop loop;
  loop.Post([&] { absl::SleepFor(absl::Milliseconds(30)); }, "waiting");
  loop.Post([&] { loop.Stop(); });
  loop.Run();
  const LoopMeter::Work waiting = loop.meter().ByWork().at("waiting");
  CHECK(waiting.longest >= absl::Milliseconds(30));
  CHECK(waiting.longest_processor < absl::Milliseconds(10));
}

TEST_CASE("slow turns in several seconds are a problem, as long as they come") {
  LoopMeter meter;
  const absl::Duration start = absl::Seconds(1000);
  const auto turn = [&](double at, double took_ms, const char* work) {
    const absl::Duration begin = start + absl::Seconds(at);
    meter.Begin(begin);
    meter.End(work, begin, begin + absl::Milliseconds(took_ms));
  };
  turn(0, 210, "a/first.cc");
  turn(0.2, 220, "a/second.cc");
  turn(0.4, 210, "a/first.cc");
  CHECK(meter.Problem(start + absl::Seconds(1)).empty());  // one bad second
  turn(3, 210, "a/first.cc");
  turn(5, 150, "a/first.cc");  // only logged
  CHECK(meter.Problem(start + absl::Seconds(5)).empty());
  turn(6, 210, "a/first.cc");
  CHECK(meter.Problem(start + absl::Seconds(6)) ==
        "everything waits for more than 200 ms again and again, longest for second");
  CHECK(meter.Problem(start + absl::Seconds(12)).empty());  // over
}

TEST_CASE("a burst of closures or timers does not keep descriptors waiting") {
  EventLoop loop;
  const UniqueFd ready(eventfd(0, EFD_NONBLOCK));
  int before_event = 0;
  int left = 200;
  const auto work = [&] {
    Busy(&loop, absl::Milliseconds(1));
    if (--left == 150) eventfd_write(ready.get(), 1);
    if (left == 0) loop.Stop();
  };
  loop.Watch(ready.get(), EPOLLIN, [&](uint32_t) {
    before_event = 200 - left;
    loop.Unwatch(ready.get());
  });
  SECTION("closures") {
    for (int i = 0; i < 200; ++i) loop.Post(work);
  }
  SECTION("timers") {
    for (int i = 0; i < 200; ++i) loop.After(absl::ZeroDuration(), work);
  }
  loop.Run();
  CHECK(before_event >= 50);
  CHECK(before_event <= 60);
  CHECK(left == 0);
}

}  // namespace
}  // namespace guideway
