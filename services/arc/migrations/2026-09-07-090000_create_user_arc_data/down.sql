DROP TABLE user_arc_data;
