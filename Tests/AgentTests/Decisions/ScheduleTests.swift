import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct ScheduleTests {
  private let now = Timestamp(seconds: 1_800_000_000)

  @Test func aCredentialIsRenewedAtFourFifthsOfItsLifetimeOrALittleEarlier() {
    func delay(_ chance: Double, left: Duration = .seconds(1000)) -> Duration {
      RenewalSchedule.delay(now: now, expiresAt: now.advanced(by: left), lifetime: .seconds(1000), chance: chance)
    }
    #expect(delay(0) == .seconds(800))
    #expect(delay(1) == .seconds(750))
    #expect(delay(0, left: .seconds(300)) == .seconds(100))
    #expect(delay(0, left: .seconds(150)) == .zero && delay(0, left: .seconds(-5)) == .zero)
  }

  @Test func heartbeatsKeepTheirPlaceInTheInterval() {
    let start = ContinuousClock.now
    var schedule = HeartbeatSchedule()
    #expect(schedule.next(interval: .seconds(30), now: start, chance: 0.5) == start + .seconds(15))
    // A connection was lost and found again meanwhile: the place is kept.
    #expect(schedule.next(interval: .seconds(30), now: start + .seconds(10), chance: 0.9) == start + .seconds(15))
    schedule.sent(interval: .seconds(30), now: start + .seconds(16))
    #expect(schedule.next(interval: .seconds(30), now: start + .seconds(16), chance: 0.9) == start + .seconds(45))
  }

  @Test func missedHeartbeatsAreMadeGoodByOneSoon() {
    let start = ContinuousClock.now
    var schedule = HeartbeatSchedule()
    _ = schedule.next(interval: .seconds(30), now: start, chance: 0)
    let back = start + .seconds(300)
    #expect(schedule.next(interval: .seconds(30), now: back, chance: 0.5) == back + .seconds(1))
    schedule.sent(interval: .seconds(30), now: back + .seconds(1))
    #expect(schedule.next(interval: .seconds(30), now: back + .seconds(1), chance: 0) == back + .seconds(31))
  }

  @Test func aShorterIntervalTakesHoldAtOnce() {
    let start = ContinuousClock.now
    var schedule = HeartbeatSchedule()
    _ = schedule.next(interval: .seconds(3600), now: start, chance: 0.9)
    #expect(schedule.next(interval: .seconds(10), now: start, chance: 0) == start + .seconds(10))
  }

  @Test func theClockFollowsTheServersFromTheMiddleOfTheCall() {
    let asked = ContinuousClock.now
    let reading = ClockReading(serverTime: now, asked: asked, answered: asked + .seconds(2))
    #expect(reading.time(at: asked + .seconds(1)) == now)
    #expect(reading.time(at: asked + .seconds(61)) == now.advanced(by: .seconds(60)))
  }

  @Test func aClockThatIsOffByMoreThanFiveSecondsIsToldWithItsDirection() {
    #expect(FleetClock.warning(error: .seconds(5)) == nil && FleetClock.warning(error: .seconds(-5)) == nil)
    #expect(FleetClock.warning(error: .seconds(600))?.contains("is 600s ahead of the server's") == true)
    #expect(FleetClock.warning(error: .seconds(-6))?.contains("is 6s behind the server's") == true)
    let clock = FleetClock()
    #expect(clock.now().since(.now()).magnitude < .seconds(1))
    _ = clock.set(ClockReading(serverTime: Timestamp.now().advanced(by: .seconds(-600)), asked: .now, answered: .now))
    #expect((clock.now().since(.now()) + .seconds(600)).magnitude < .seconds(1))
  }
}
