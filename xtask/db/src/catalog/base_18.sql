-- What a server before 18 does not know.
CREATE TABLE booking (room int4range, during daterange, CONSTRAINT booking_key PRIMARY KEY (room, during WITHOUT OVERLAPS));
CREATE TABLE guest (
    room int4range, during daterange, seen int,
    often int GENERATED ALWAYS AS (seen * 2) VIRTUAL,
    CONSTRAINT guest_booking FOREIGN KEY (room, PERIOD during) REFERENCES booking,
    CONSTRAINT guest_seen CHECK (seen > 0) NOT ENFORCED,
    CONSTRAINT guest_there NOT NULL seen NO INHERIT
);
ALTER TABLE guest ADD CONSTRAINT guest_room NOT NULL room NOT VALID;
